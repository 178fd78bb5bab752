// What pages do beyond what they do without scripts. Each part looks for its own marks in the page and leaves the rest alone.
"use strict";

// A form that came back with faults: the summary is where to go on.
document.getElementById("faults")?.focus();
