"""Web pages in general: filters of the address, lists, cells, rendering, exports, errors."""
