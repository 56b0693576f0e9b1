/* Tensors from a file of golden vectors on the backend under test. */
#pragma once

#include "../tensors.h"
#include "weights.h"

/* Times the largest value of the tensor; the golden set's README. */
#define FORWARD_TOLERANCE 1e-5
#define GRADIENT_TOLERANCE 1e-4
/* A gradient that is zero in theory, such as that of a bias in front of a group
 * norm with one channel per group, is rounding noise on both sides. */
#define NOISE 1e-4

/* An open golden file and the backend that its tensors go to. */
typedef struct
{
  DefcnBackend *be;
  DefcnWeights *file;
  GPtrArray *tensors;              /* made for the test, freed at its end */
  double forward, gradient, noise; /* tolerances */
} Vectors;

/* FALSE, and the test is skipped, without the file or the backend. */
gboolean vectors_open (Vectors *vectors, const char *below);
void vectors_close (Vectors *vectors);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Vectors, vectors_close)

/* The beginnings of names that start with @prefix and end with @end, without
 * @end: "conv0." of "conv0.x".  (transfer full), NULL-terminated. */
char **vectors_cases (const Vectors *vectors, const char *prefix,
    const char *end);

/* A tensor of the file is named by two halves, "@case_name@name". */
gboolean vectors_has (const Vectors *vectors, const char *case_name,
    const char *name);
/* Returns: (transfer full): its values in this library's order: NCHW and OIHW
 * become (n, h, w, c), a vector (1, 1, 1, c).  @dims: the four dimensions. */
float *vectors_values (const Vectors *vectors, const char *case_name,
    const char *name, int *dims);

/* Tensors with a gradient, freed with the vectors: one that holds a tensor of
 * the file, and one of zeroes that has its shape. */
DefcnTensor *vectors_load (Vectors *vectors, DefcnTensorRole role,
    const char *case_name, const char *name);
DefcnTensor *vectors_output (Vectors *vectors, const char *case_name,
    const char *name);
void vectors_load_grad (Vectors *vectors, DefcnTensor *t, const char *case_name,
    const char *name);

/* Fails the test unless @t's data, or gradient, is what the file has. */
void vectors_assert (const Vectors *vectors, const DefcnTensor *t,
    gboolean grad, const char *case_name, const char *name);
