"""The interfaces of the service, one file each."""
