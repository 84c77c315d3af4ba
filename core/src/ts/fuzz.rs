//! Bodies of the fuzz targets: each takes any bytes, and panics when an invariant is broken.
