"""What SCM holds already comes in, and what is done there by others is noticed."""
