"""`passcom bench`: how fast three nodes sell, what a booking costs, and whether every promise was kept meanwhile.

command.py   the words of the command line
run.py       one run: nodes up -> what to buy -> travellers -> rest -> audit -> report
nodes.py     the nodes: started here or running elsewhere; what they have used and written
goods.py     what the network can sell, and who is to buy what
load.py      the travellers, in processes of their own; exchange.py is their HTTP
empty.py     an aiohttp server that does nothing, to measure against
report.py    the figures: a table, JSON; page.py draws them as one HTML file
grow.py      the same, as users, flights, events and carriers grow
"""
