/* Tensors and steps on a backend, for tests that have no net around them. */
#pragma once

#include "backend.h"

/* The same sizes, role and precision as @like, with memory of its own. */
DefcnTensor *testing_tensor_new_like (DefcnBackend *be, const DefcnTensor *like,
    gboolean grad);
/* With zeroed data, and a zeroed gradient if @grad. */
DefcnTensor *testing_tensor_new (DefcnBackend *be, DefcnTensorRole role, int n,
    int h, int w, int c, gboolean grad);
void testing_tensor_free (DefcnBackend *be, DefcnTensor *t);

/* @src: dense NHWC, as long as @t. */
void testing_tensor_write (DefcnBackend *be, DefcnTensor *t, const float *src);
void testing_tensor_write_grad (DefcnBackend *be, DefcnTensor *t,
    const float *src);
/* Returns: (transfer full): dense NHWC. */
float *testing_tensor_read (DefcnBackend *be, const DefcnTensor *t);
float *testing_tensor_read_grad (DefcnBackend *be, const DefcnTensor *t);

/* The three calls of a step; each fails the test where the backend does. */
void testing_prepare (DefcnBackend *be, DefcnNode *node);
void testing_forward (DefcnBackend *be, const DefcnNode *node);
void testing_backward (DefcnBackend *be, const DefcnNode *node);
void testing_release (DefcnBackend *be, DefcnNode *node);

/* Returns: (transfer full): @n values in [-scale, scale) from @rand. */
float *testing_random (GRand *rand, gsize n, float scale);

/* Fails the test, naming @what, unless every |a - b| is at most @tolerance
 * times the largest |b|.  A NaN or an infinity in @a fails. */
void testing_assert_close (const float *a, const float *b, gsize n,
    double tolerance, const char *what);
