"""Views of tables without their secrets, which any page may show."""
