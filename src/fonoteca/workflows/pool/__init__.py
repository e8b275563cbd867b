"""The store on ZFS: workflows that join pools with what the archive knows."""
