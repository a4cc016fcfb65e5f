"""Where data comes from, and results go: folders of this machine, S3, the web, Treasure Data."""
