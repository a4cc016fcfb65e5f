"""Where data comes from, and results go: S3, the web, Treasure Data. Only job.transfer imports these."""
