/* A model file for tests that need one and do not care which. */
#pragma once

#include "model.h"

G_BEGIN_DECLS

/* Writes a ResNet-18 of tiny widths with 3DMF and the classes person, car and
 * dog to @path: random, but with heads strong enough to find something in
 * noise.  Short edge 64, long edge 128, threshold 0.3, 50 detections. */
void testing_tiny_model_write (const char *path);

/* The same with another @short_edge (the long one is twice that) and a @bias on
 * all class scores: the lower it is, the fewer objects. */
void testing_tiny_model_write_as (const char *path, int short_edge, float bias);

/* The first again, with @labels, NULL-terminated. */
void testing_tiny_model_write_labels (const char *path,
    const char *const *labels);

/* The first again, with nine anchors at a location and without 3DMF. */
void testing_tiny_model_write_anchors (const char *path);

G_END_DECLS
