"""The revisions. A released one is never changed; what is wrong in it is mended by the next."""
