// The scrubber: as its slider moves, the instant below it is fetched and put in place. The slider itself stays, and with
// it the focus; its own keys (arrows, Home, End) do the rest. Without this script the form is sent by its button.
const form = document.getElementById("scrubber");
const slider = document.getElementById("n");
let wanted = slider.value;
let busy = false;

async function show() {
  if (busy) return; // what is wanted when the answer comes is asked for next
  busy = true;
  try {
    while (document.getElementById("instant").dataset.number !== wanted) {
      const address = `${form.action}?n=${wanted}`;
      const answer = await fetch(address);
      if (!answer.ok) {
        location.assign(address);
        return;
      }
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      for (const part of ["#instant", "#scrubber .actions"]) {
        document.querySelector(part).replaceWith(page.querySelector(part));
      }
      history.replaceState(null, "", address);
    }
  } finally {
    busy = false;
  }
}

slider.addEventListener("input", () => {
  wanted = slider.value;
  document.getElementById("which").value = wanted;
  show();
});
