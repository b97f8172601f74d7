"""The example project; the page copies it under the name of yours."""
