/* The golden set for tests, whatever its cases are called and however many
 * there are.  A file that is absent skips the test by name; a damaged one or a
 * missing tensor ends the program. */
#pragma once

#include "weights.h"

#include <cjson/cJSON.h>

G_BEGIN_DECLS

/* Adds a test below @name for every file below the golden folder that @pattern
 * matches, in the order of their names; without any, one that skips.  @test
 * gets what testing_golden_open() takes. */
void testing_golden_add (const char *name, const char *pattern,
    GTestDataFunc test);

/* Returns: (transfer full): the file @below the golden folder, or NULL after
 * g_test_skip(). */
DefcnWeights *testing_golden_open (const char *below);
/* (transfer full): its text, or NULL after g_test_skip(). */
char *testing_golden_text (const char *below);
/* (transfer full): the JSON in it, or NULL after g_test_skip(). */
cJSON *testing_golden_json (const char *below);
/* A number of @object, which may be NULL, else @otherwise. */
double testing_golden_number (const cJSON *object, const char *name,
    double otherwise);

gboolean testing_golden_has (const DefcnWeights *file, const char *name);
/* All values of an F32 tensor; *@len (optional) elements.  (transfer full) */
float *testing_golden_floats (const DefcnWeights *file, const char *name,
    gsize *len);
/* The same of an I32, I64 or U8 tensor. */
int *testing_golden_ints (const DefcnWeights *file, const char *name,
    gsize *len);
/* Image "image.@i" of models/: U8, height x width x 3, BGR; where it is another
 * file's, that is opened into *@owner, which keeps the data.  NULL: no such. */
const DefcnWeightsTensor *testing_golden_image (const DefcnWeights *file, int i,
    DefcnWeights **owner);

/* The file's dims. */
const gint64 *testing_golden_dims (const DefcnWeights *file, const char *name);

/* (transfer full): of DefcnObject, those of the tensors "gt_boxes" and
 * "gt_classes" with @image (".0", or nothing) behind their names. */
GArray *testing_golden_objects (const DefcnWeights *file, const char *image);

/* A box on the level @level as the set has it: @sides, or with an anchor (1 of
 * @anchors) coded relative to that. */
void testing_golden_code (float *box, const float *sides, int anchors,
    int level);

/* (N,C,H,W) -> (N,H,W,C) in place. */
void testing_golden_to_nhwc (float *values, int n, int c, int h, int w);

/* Largest |found - want| over the largest |want|; for all-zero @want the
 * largest |found|; infinite where something is not a number. */
double testing_golden_difference (const float *found, const float *want,
    gsize len);

G_END_DECLS
