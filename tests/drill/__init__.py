"""The drill: a line with certificates, a real backup, a disaster, the restore and the recovery, each measured."""
