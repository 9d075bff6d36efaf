"""Key pairs with which other systems seal passwords, and the opening of what they have sealed."""
