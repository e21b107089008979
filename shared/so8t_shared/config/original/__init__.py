"""Files of the original pipeline's form, and what each of their keys is here."""
