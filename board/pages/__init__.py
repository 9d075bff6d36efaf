"""The pages of the board, one module each.

To add a page:

1. Write a module here with a `ListPage` (`certline.board.web.list_page`; `scm/organizations` is the pattern) or a
   `Page` (`certline.board.web.page`): a function from `PageRequest` to a `View`.
2. A page reads from the `db` of its `PageRequest`, one short transaction, and only what the role of the board may
   read.
3. A `View` names a template below `board/templates`, its values, and `document`: the data of the command line,
   which `?format=json|csv` returns.
4. End the module with `ROUTES`, and name it in `registry.py`; an entry of the menu goes into `web/navigation.py`.
5. Texts from outside are values of cells (`web/cells.py`) or go through macros (`templates/macros.html`), which
   escape and isolate them; addresses of pages come from `web/links.py`; commands are quoted by `web/commands.py`.
"""
