"""The science, without AiiDA: what runs on the compute node."""
