"""The doors to torch, JAX and Keras: optimizers out and in, problems, monitors.  Nothing else imports these rooms."""
