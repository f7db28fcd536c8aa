"""The page: a local server that shows stored circuits and asks the workbench for new ones. No torch to open it.

Comes in: graph files, ours or other programs', and requests from one browser on this machine.
Goes out: JSON for the page (`frontend/`, built into `static/`), notes written back into graph files.

It computes nothing itself: pruning, shares and scores are the graph room's, traces and interventions the workbench's.
The workbench, and torch with it, is loaded by `engine.py` alone, when somebody first traces or intervenes.

Files in reading order:

    config.py       what is served, where, and the bounds on every request
    schemas.py      what the page is sent, as types; the page's TypeScript is generated from them
    views.py        graph -> what the page shows of it
    shelf.py        the graphs of the served folder, by opaque ids; the only file of the room that touches the disk
    engine.py       the workbench, opened late, one job at a time
    guard.py        token, host, origin, sizes, headers: who may ask
    routes.py       the API, one function per question
    app.py          routes, page and guard put together
    server.py       the socket, the printed address, Ctrl-C
    typescript.py   schemas -> TypeScript, for the page's build
"""
