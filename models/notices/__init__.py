"""Notices: news for people, sent by mail, chat or pager; routes say who is told what, and where."""
