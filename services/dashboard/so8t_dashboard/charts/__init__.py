"""Charts as geometry; the templates draw them as SVG."""
