"""The dashboard: sessions of a store in a browser, read only."""
