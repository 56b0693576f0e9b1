/* The list of backends, the reference's memory and what its rows refuse. */
#include "backend.h"
#include "net.h"

#include <glib/gstdio.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "heap.h"

/* Returns: (nullable): the backend's own name, if it is built in and works. */
static const char *
made_name (const char *name)
{
  g_autoptr (DefcnBackend) be = defcn_backend_new (name, 1, NULL);

  return be ? g_intern_string (be->name) : NULL;
}

/* "cpu" and "auto" always give a backend, and oneDNN where there is one;
 * capitals are no other name. */
static void
test_names (void)
{
  const char *best = made_name ("onednn") ? "onednn" : "reference";

  g_assert_cmpstr (made_name ("reference"), ==, "reference");
  g_assert_cmpstr (made_name ("cpu"), ==, best);
  g_assert_cmpstr (made_name ("auto"), ==, best);
  g_assert_cmpstr (made_name (NULL), ==, best);
  g_assert_cmpstr (made_name ("CPU"), ==, best);
  g_assert_cmpstr (made_name ("Reference"), ==, "reference");
}

/* What cannot be had is refused with a message that says what can. */
static void
test_refused_names (void)
{
  static const struct
  {
    const char *name, *message;
  } cases[] = {
    { "cuda:", "device \"cuda:\" is unknown" },
    { "cuda:x", "device \"cuda:x\" is unknown" },
    { "cuda:1x", "device \"cuda:1x\" is unknown" },
    { "cudart", "device \"cudart\" is unknown" },
    { "", "device \"\" is unknown" },
    { "reference ", "device \"reference \" is unknown" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GError) error = NULL;
    g_assert_null (defcn_backend_new (cases[i].name, 0, &error));
    g_assert_error (error, DEFCN_ERROR, DEFCN_ERROR_BACKEND);
    g_assert_true (g_str_has_prefix (error->message, cases[i].message));
    g_assert_nonnull (strstr (error->message, ": auto, cpu, "));
    g_assert_nonnull (strstr (error->message, "reference"));
  }
}

/* CUDA that was not built, or whose module is not there, is refused with that
 * reason, in any spelling. */
static void
test_no_cuda (void)
{
  static const char *const names[] = { "cuda", "cuda:0", "cuda:1",
    "cuda:99999999999999999999" };

  for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
    g_autoptr (GError) error = NULL;

    g_assert_null (defcn_backend_new (names[i], 0, &error));
    g_assert_error (error, DEFCN_ERROR, DEFCN_ERROR_BACKEND);
    g_assert_true (g_str_has_prefix (error->message, "device \"cuda"));
    g_assert_true (strstr (error->message, "CUDA is not built into this")
        || strstr (error->message, "/nowhere/libdefcn-cuda.so"));
  }
}

/* A module of another version is refused before anything of it is used. */
static void
test_other_cuda (void)
{
  static const struct
  {
    const char *file, *version;
  } modules[] = { { "libother-cuda.so", "is of version 0.0.0, " },
    { "libold-cuda.so", "is of version another, " } };
  g_autofree char *folder = g_dir_make_tmp ("defcn-backend-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (folder, "libdefcn-cuda.so", NULL);

  g_setenv ("DEFCN_MODULES", folder, TRUE);
  for (guint i = 0; i < G_N_ELEMENTS (modules); i++) {
    g_autofree char *built = g_build_filename (g_getenv ("DEFCN_TEST_BUILD"),
        "tests", "unit", modules[i].file, NULL);
    g_autoptr (GError) error = NULL;

    g_assert_cmpint (symlink (built, path), ==, 0);
    g_assert_null (defcn_backend_new ("cuda", 0, &error));
    g_assert_error (error, DEFCN_ERROR, DEFCN_ERROR_BACKEND);
    if (!strstr (error->message, "CUDA is not built into this")) {
      g_assert_nonnull (strstr (error->message, path));
      g_assert_nonnull (strstr (error->message, modules[i].version));
      g_assert_nonnull (strstr (error->message, DEFCN_VERSION));
    }
    g_assert_cmpint (g_unlink (path), ==, 0);
  }
  g_assert_cmpint (g_rmdir (folder), ==, 0);
  g_setenv ("DEFCN_MODULES", "/nowhere", TRUE);
}

/* The CPU has float32, and bfloat16 where it has the instructions; what is no
 * precision at all is told apart. */
static void
test_precisions (void)
{
  static const struct
  {
    const char *precision, *message;
    int code;
  } cases[] = {
    { "fp16", "precision \"fp16\" is for CUDA", DEFCN_ERROR_BACKEND },
    { "tf32", "precision \"tf32\" is for CUDA", DEFCN_ERROR_BACKEND },
    { "fp8", "precision \"fp8\" is unknown", DEFCN_ERROR_VALUE },
    { "", "precision \"\" is unknown", DEFCN_ERROR_VALUE },
  };
  g_autoptr (DefcnBackend) automatic =
      defcn_backend_new_in ("reference", "auto", 1, NULL);
  g_autoptr (DefcnBackend) none =
      defcn_backend_new_in ("reference", NULL, 1, NULL);

  g_assert_nonnull (automatic);
  g_assert_nonnull (none);
  g_assert_cmpstr (automatic->precision, ==, "fp32");
  g_assert_cmpstr (none->precision, ==, "fp32");
  g_autoptr (GError) refused = NULL;
  g_assert_null (defcn_backend_new_in ("reference", "bf16", 1, &refused));
  g_assert_error (refused, DEFCN_ERROR, DEFCN_ERROR_BACKEND);
  g_assert_nonnull (strstr (refused->message, "AVX512_BF16"));
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GError) error = NULL;

    g_assert_null (defcn_backend_new_in ("cpu", cases[i].precision, 1, &error));
    g_assert_error (error, DEFCN_ERROR, cases[i].code);
    g_assert_true (g_str_has_prefix (error->message, cases[i].message));
  }
}

/* Why "auto" did not take CUDA stays with what it took; a precision that nobody
 * has is refused for that alone, one that only CUDA has for both reasons. */
static void
test_auto (void)
{
  g_autoptr (DefcnBackend) automatic = defcn_backend_new ("auto", 1, NULL);
  g_autoptr (DefcnBackend) named = defcn_backend_new ("cpu", 1, NULL);
  g_autoptr (GError) error = NULL;

  g_assert_nonnull (strstr (automatic->passed_over, "device \"cuda\""));
  g_assert_null (named->passed_over);
  g_assert_null (defcn_backend_new_in ("auto", "fp8", 1, &error));
  g_assert_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE);
  g_assert_true (
      g_str_has_prefix (error->message, "precision \"fp8\" is unknown"));
  g_clear_error (&error);
  g_assert_null (defcn_backend_new_in ("auto", "tf32", 1, &error));
  g_assert_error (error, DEFCN_ERROR, DEFCN_ERROR_BACKEND);
  g_assert_true (g_str_has_prefix (error->message, "device \"cuda\": "));
  g_assert_nonnull (strstr (error->message, "; precision \"tf32\" is for"));
}

static void
open_and_close (gpointer data)
{
  g_autoptr (DefcnBackend) automatic = defcn_backend_new ("auto", 1, NULL);
  g_autoptr (DefcnBackend) none =
      defcn_backend_new_in ("reference", "bf16", 1, NULL);
  g_autoptr (DefcnBackend) tuned = defcn_backend_new ("reference", 1, NULL);

  g_assert_null (none);
  tuned->tune = defcn_tune_open ("/nowhere/m");
}

/* Nothing is left of a backend, nor of one that was refused. */
static void
test_leaks (void)
{
  heap_assert_kept (open_and_close, NULL);
}

/* 0 threads means one per core, fewer than that is refused. */
static void
test_threads (void)
{
  g_autoptr (DefcnBackend) all = defcn_backend_new ("reference", 0, NULL);
  g_autoptr (DefcnBackend) three = defcn_backend_new ("reference", 3, NULL);
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (all->threads, ==, g_get_num_processors ());
  g_assert_cmpint (three->threads, ==, 3);
  g_assert_null (defcn_backend_new ("reference", -1, &error));
  g_assert_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE);
  g_assert_nonnull (strstr (error->message, "threads is -1,"));
  defcn_backend_free (NULL);
}

/* Every row has what a net calls. */
static void
test_rows (void)
{
  g_autoptr (DefcnBackend) be = defcn_backend_new (NULL, 1, NULL);

  for (int i = 0; i < DEFCN_N_OPS; i++) {
    g_assert_nonnull (be->ops[i].forward);
    g_assert_nonnull (be->ops[i].backward);
    g_assert_true (!be->ops[i].release || be->ops[i].prepare);
  }
}

/* Memory is aligned, zeroed, and holds what is uploaded; what cannot be had is
 * NULL. */
static void
test_memory (void)
{
  g_autoptr (DefcnBackend) be = defcn_backend_new ("reference", 1, NULL);
  const DefcnTensor t = { 1, 2, 3, 5, DEFCN_TENSOR_ACTIVATION };
  float values[30], back[30];
  gsize bytes = be->size (be, &t);
  char *mem = be->alloc (be, bytes);

  g_assert_cmpuint (bytes, ==, 128);
  g_assert_cmpuint ((uintptr_t) mem % 64, ==, 0);
  for (gsize i = 0; i < bytes; i++)
    g_assert_cmpint (mem[i], ==, 0);

  for (int i = 0; i < 30; i++)
    values[i] = i + 1;
  be->upload (be, &t, mem, values);
  be->download (be, &t, back, mem);
  g_assert_cmpmem (values, sizeof values, back, sizeof back);
  be->zero (be, mem, 64);
  be->download (be, &t, back, mem);
  g_assert_cmpfloat (back[15], ==, 0);
  g_assert_cmpfloat (back[16], ==, 17);
  be->free (be, mem);

  for (int i = 0; i < 4; i++) { /* also where something was before */
    char *again = be->alloc (be, 256);

    for (int k = 0; k < 256; k++)
      g_assert_cmpint (again[k], ==, 0);
    memset (again, 0xff, 256);
    be->free (be, again);
  }
  g_assert_null (be->alloc (be, G_MAXSIZE));
  g_assert_null (be->alloc (be, G_MAXSIZE - 62)); /* which rounds up to 0 */
  mem = be->alloc (be, 0);
  g_assert_nonnull (mem);
  be->free (be, mem);
}

typedef struct
{
  DefcnTensor x[3], y, w, b;
  DefcnNode node;
  const char *message;
} Refused;

/* Steps whose tensors do not fit together are refused by name. */
static void
test_refused_steps (void)
{
  static Refused cases[] = {
    { { { 1, 4, 4, 8 } }, { 1, 4, 4, 8 }, { 8, 3, 3, 4 }, { 1, 1, 1, 8 },
        { DEFCN_OP_CONV, .size = 3, .stride = 1, .pad = 1, .groups = 1 },
        "weight 8x3x3x4 in 1 groups" },
    { { { 1, 4, 4, 8 } }, { 1, 4, 4, 8 }, { 8, 3, 3, 8 }, { 1, 1, 1, 8 },
        { DEFCN_OP_CONV, .size = 1, .stride = 1, .groups = 1 },
        "weight 8x3x3x8 in 1 groups" },
    { { { 1, 4, 4, 9 } }, { 1, 4, 4, 8 }, { 8, 1, 1, 3 }, { 1, 1, 1, 8 },
        { DEFCN_OP_CONV, .size = 1, .stride = 1, .groups = 3 },
        "in 3 groups does not lead from 9 to 8 channels" },
    { { { 1, 4, 4, 8 } }, { 1, 4, 4, 8 }, { 8, 1, 1, 8 }, { 1, 1, 1, 7 },
        { DEFCN_OP_CONV, .size = 1, .stride = 1, .groups = 1 },
        "does not lead from 8 to 8 channels" },
    { { { 1, 4, 4, 8 } }, { 1, 4, 4, 8 }, { 8, 3, 3, 8 }, { 1, 1, 1, 8 },
        { DEFCN_OP_CONV, .size = 3, .stride = 2, .pad = 1, .groups = 1 },
        "is not 1x2x2x8" },
    { { { 1, 4, 4, 8 }, { 1, 2, 2, 8 } }, { 1, 4, 4, 8 }, { 8, 1, 1, 8 },
        { 1, 1, 1, 8 }, { DEFCN_OP_CONV, .size = 1, .stride = 1, .groups = 1 },
        "is not 1x4x4x8" },
    { { { 1, 4, 4, 8 } }, { 1, 4, 4, 7 }, { 7, 1, 1, 4 }, { 0 },
        { DEFCN_OP_CONV, .size = 1, .stride = 1, .groups = 2 },
        "in 2 groups does not lead from 8 to 7" },
    { { { 1, 4, 4, 8 } }, { 1, 4, 4, 8 }, { 8, 3, 1, 8 }, { 0 },
        { DEFCN_OP_CONV, .size = 3, .stride = 1, .pad = 1, .groups = 1 },
        "weight 8x3x1x8" },
    { { { 1, 4, 4, 8 } }, { 1, 4, 4, 8 }, { 8, 1, 3, 8 }, { 0 },
        { DEFCN_OP_CONV, .size = 3, .stride = 1, .pad = 1, .groups = 1 },
        "weight 8x1x3x8" },
    { { { 1, 4, 4, 8 } }, { 1, 4, 4, 8 }, { 8, 1, 1, 8 }, { 0 },
        { DEFCN_OP_CONV, .size = 1, .stride = 1, .groups = 0 }, "in 0 groups" },
    { { { 1, 4, 4, 8 } }, { 1, 4, 4, 8 }, { 4, 1, 1, 8 }, { 0 },
        { DEFCN_OP_CONV, .size = 1, .stride = 1, .groups = 1 },
        "weight 4x1x1x8" },
    { { { 1, 4, 4, 8 } }, { 2, 4, 4, 8 }, { 8, 1, 1, 8 }, { 0 },
        { DEFCN_OP_CONV, .size = 1, .stride = 1, .groups = 1 },
        "is not 1x4x4x8" },
    { { { 1, 4, 4, 8 } }, { 1, 4, 3, 8 }, { 8, 1, 1, 8 }, { 0 },
        { DEFCN_OP_CONV, .size = 1, .stride = 1, .groups = 1 },
        "is not 1x4x4x8" },
    { { { 1, 4, 4, 8 }, { 2, 4, 4, 8 } }, { 1, 4, 4, 8 }, { 8, 1, 1, 8 }, { 0 },
        { DEFCN_OP_CONV, .size = 1, .stride = 1, .groups = 1 },
        "residual is not 1x4x4x8" },
    { { { 1, 4, 4, 8 }, { 1, 4, 2, 8 } }, { 1, 4, 4, 8 }, { 8, 1, 1, 8 }, { 0 },
        { DEFCN_OP_CONV, .size = 1, .stride = 1, .groups = 1 },
        "residual is not 1x4x4x8" },
    { { { 1, 4, 4, 8 }, { 1, 4, 4, 4 } }, { 1, 4, 4, 8 }, { 8, 1, 1, 8 }, { 0 },
        { DEFCN_OP_CONV, .size = 1, .stride = 1, .groups = 1 },
        "residual is not 1x4x4x8" },
    { { { 1, 4, 4, 8 } }, { 1, 4, 4, 8 }, { 8, 1, 1, 8 }, { 0 },
        { DEFCN_OP_DEFORM_CONV, .size = 1, .stride = 1, .groups = 1 },
        "offsets are 0x0x0x0, wanted 1x4x4x2, or 3 with masks" },
    { { { 1, 4, 4, 8 }, { 1, 4, 3, 2 } }, { 1, 4, 4, 8 }, { 8, 1, 1, 8 }, { 0 },
        { DEFCN_OP_DEFORM_CONV, .size = 1, .stride = 1, .groups = 1 },
        "offsets are 1x4x3x2" },
    { { { 1, 4, 4, 8 }, { 1, 3, 4, 2 } }, { 1, 4, 4, 8 }, { 8, 1, 1, 8 }, { 0 },
        { DEFCN_OP_DEFORM_CONV, .size = 1, .stride = 1, .groups = 1 },
        "offsets are 1x3x4x2" },
    { { { 1, 4, 4, 8 }, { 2, 4, 4, 2 } }, { 1, 4, 4, 8 }, { 8, 1, 1, 8 }, { 0 },
        { DEFCN_OP_DEFORM_CONV, .size = 1, .stride = 1, .groups = 1 },
        "offsets are 2x4x4x2" },
    { { { 1, 4, 4, 8 }, { 1, 4, 4, 4 } }, { 1, 4, 4, 8 }, { 8, 1, 1, 8 }, { 0 },
        { DEFCN_OP_DEFORM_CONV, .size = 1, .stride = 1, .groups = 1 },
        "offsets are 1x4x4x4" },
    { { { 1, 4, 4, 8 }, { 1, 4, 4, 2 } }, { 1, 4, 4, 8 }, { 8, 1, 1, 4 }, { 0 },
        { DEFCN_OP_DEFORM_CONV, .size = 1, .stride = 1, .groups = 1 },
        "in 1 groups does not lead from 8 to 8" },
    { { { 1, 4, 4, 8 }, { 1, 4, 4, 2 }, { 1, 4, 4, 4 } }, { 1, 4, 4, 8 },
        { 8, 1, 1, 8 }, { 0 },
        { DEFCN_OP_DEFORM_CONV, .size = 1, .stride = 1, .groups = 1 },
        "output or residual is not 1x4x4x8" },
    { { { 1, 5, 4, 8 } }, { 2, 3, 2, 8 }, { 0 }, { 0 }, { DEFCN_OP_MAX_POOL },
        "output is 2x3x2x8, wanted half of 1x5x4x8" },
    { { { 1, 5, 4, 8 } }, { 1, 3, 3, 8 }, { 0 }, { 0 }, { DEFCN_OP_MAX_POOL },
        "output is 1x3x3x8" },
    { { { 1, 5, 4, 8 } }, { 1, 3, 2, 4 }, { 0 }, { 0 }, { DEFCN_OP_MAX_POOL },
        "output is 1x3x2x4" },
    { { { 1, 5, 4, 8 } }, { 2, 5, 4, 8 }, { 0 }, { 0 }, { DEFCN_OP_RELU },
        "output is 2x5x4x8" },
    { { { 1, 5, 4, 8 } }, { 1, 4, 4, 8 }, { 0 }, { 0 }, { DEFCN_OP_RELU },
        "output is 1x4x4x8" },
    { { { 1, 5, 4, 8 } }, { 1, 5, 5, 8 }, { 0 }, { 0 }, { DEFCN_OP_RELU },
        "output is 1x5x5x8" },
    { { { 1, 5, 4, 8 } }, { 1, 5, 4, 8 }, { 1, 1, 1, 4 }, { 1, 1, 1, 8 },
        { DEFCN_OP_GROUP_NORM, .groups = 4 }, "4 weights and 8 biases" },
    { { { 1, 5, 4, 8 } }, { 1, 5, 4, 8 }, { 1, 1, 1, 8 }, { 1, 1, 1, 8 },
        { DEFCN_OP_GROUP_NORM, .groups = 0 }, "0 groups" },
    { { { 1, 5, 4, 8 } }, { 2, 5, 4, 8 }, { 1, 1, 1, 8 }, { 1, 1, 1, 8 },
        { DEFCN_OP_GROUP_NORM, .groups = 4 }, "is 2x5x4x8, wanted 1x5x4x8" },
    { { { 1, 5, 4, 8 } }, { 1, 4, 4, 8 }, { 1, 1, 1, 8 }, { 1, 1, 1, 8 },
        { DEFCN_OP_GROUP_NORM, .groups = 4 }, "is 1x4x4x8" },
    { { { 1, 5, 4, 8 } }, { 1, 5, 4, 4 }, { 1, 1, 1, 8 }, { 1, 1, 1, 8 },
        { DEFCN_OP_GROUP_NORM, .groups = 4 }, "is 1x5x4x4" },
    { { { 1, 4, 4, 8 }, { 1, 2, 3, 8 } }, { 1, 4, 4, 8 }, { 0 }, { 0 },
        { DEFCN_OP_UPSAMPLE_ADD }, "high and wide as 1x2x3x8" },
    { { { 1, 4, 4, 8 }, { 2, 2, 2, 8 } }, { 1, 4, 4, 8 }, { 0 }, { 0 },
        { DEFCN_OP_UPSAMPLE_ADD }, "high and wide as 2x2x2x8" },
    { { { 1, 4, 4, 8 }, { 1, 2, 2, 4 } }, { 1, 4, 4, 8 }, { 0 }, { 0 },
        { DEFCN_OP_UPSAMPLE_ADD }, "high and wide as 1x2x2x4" },
    { { { 1, 4, 6, 8 }, { 1, 2, 2, 8 } }, { 1, 4, 4, 8 }, { 0 }, { 0 },
        { DEFCN_OP_UPSAMPLE_ADD }, "1x4x6x8 is not twice" },
    { { { 1, 5, 4, 8 }, { 1, 5, 2, 8 } }, { 1, 5, 4, 8 }, { 0 }, { 0 },
        { DEFCN_OP_TUBE_MAX, .n_levels = 1, .phi = 3 }, "do not fit level 0" },
    { { { 1, 5, 2, 8 }, { 1, 5, 4, 8 } }, { 1, 5, 4, 8 }, { 0 }, { 0 },
        { DEFCN_OP_TUBE_MAX, .n_levels = 1, .phi = 3 }, "do not fit level 0" },
    { { { 1, 5, 4, 8 }, { 1, 5, 4, 8 }, { 2, 3, 2, 8 } }, { 1, 5, 4, 8 }, { 0 },
        { 0 }, { DEFCN_OP_TUBE_MAX, .n_levels = 2, .phi = 3 }, "2 levels" },
    { { { 1, 5, 4, 8 }, { 1, 5, 4, 8 }, { 1, 3, 2, 4 } }, { 1, 5, 4, 8 }, { 0 },
        { 0 }, { DEFCN_OP_TUBE_MAX, .n_levels = 2, .phi = 3 }, "2 levels" },
    { { { 1, 5, 4, 8 }, { 1, 5, 4, 8 } }, { 1, 5, 4, 8 }, { 0 }, { 0 },
        { DEFCN_OP_TUBE_MAX, .n_levels = 1, .self = -1, .phi = 3 },
        "do not fit level -1" },
    { { { 1, 5, 4, 8 }, { 1, 5, 4, 8 } }, { 1, 5, 4, 8 }, { 0 }, { 0 },
        { DEFCN_OP_TUBE_MAX, .n_levels = DEFCN_MAX_INPUTS, .phi = 3 },
        "the 8 levels" },
    { { { 1, 5, 4, 4 } }, { 1, 5, 4, 8 }, { 1, 1, 1, 1 }, { 0 },
        { DEFCN_OP_BOX }, "output is 1x5x4x8 with 1 scales" },
    { { { 1, 5, 4, 8 } }, { 1, 2, 2, 8 }, { 0 }, { 0 }, { DEFCN_OP_MAX_POOL },
        "output is 1x2x2x8, wanted half of 1x5x4x8" },
    { { { 1, 5, 4, 8 } }, { 1, 5, 4, 7 }, { 0 }, { 0 }, { DEFCN_OP_RELU },
        "output is 1x5x4x7, wanted 1x5x4x8" },
    { { { 1, 5, 4, 8 } }, { 1, 5, 4, 8 }, { 1, 1, 1, 8 }, { 1, 1, 1, 8 },
        { DEFCN_OP_GROUP_NORM, .groups = 3 }, "do not fit 8 channels" },
    { { { 1, 5, 4, 8 } }, { 1, 5, 4, 8 }, { 1, 1, 1, 8 }, { 1, 1, 1, 4 },
        { DEFCN_OP_GROUP_NORM, .groups = 4 }, "4 biases do not fit" },
    { { { 1, 5, 4, 8 } }, { 1, 5, 5, 8 }, { 1, 1, 1, 8 }, { 1, 1, 1, 8 },
        { DEFCN_OP_GROUP_NORM, .groups = 4 }, "wanted 1x5x4x8" },
    { { { 1, 5, 4, 8 }, { 1, 3, 2, 8 } }, { 1, 5, 4, 8 }, { 0 }, { 0 },
        { DEFCN_OP_UPSAMPLE_ADD }, "not twice as high and wide as 1x3x2x8" },
    { { { 1, 5, 4, 8 }, { 1, 5, 4, 8 } }, { 1, 5, 4, 8 }, { 0 }, { 0 },
        { DEFCN_OP_TUBE_MAX, .n_levels = 1, .phi = 2 }, "with phi 2" },
    { { { 1, 5, 4, 8 }, { 1, 3, 2, 8 } }, { 1, 5, 4, 8 }, { 0 }, { 0 },
        { DEFCN_OP_TUBE_MAX, .n_levels = 1, .phi = 3 }, "do not fit level 0" },
    { { { 1, 5, 4, 8 }, { 1, 5, 4, 8 } }, { 1, 5, 4, 8 }, { 0 }, { 0 },
        { DEFCN_OP_TUBE_MAX, .n_levels = 2, .phi = 3 }, "the 2 levels" },
    { { { 1, 5, 4, 8 }, { 1, 5, 4, 8 } }, { 1, 5, 4, 8 }, { 0 }, { 0 },
        { DEFCN_OP_TUBE_MAX, .n_levels = 1, .self = 1, .phi = 3 },
        "do not fit level 1" },
    { { { 1, 5, 4, 8 } }, { 1, 5, 4, 8 }, { 0 }, { 0 },
        { DEFCN_OP_TUBE_MAX, .n_levels = 0, .phi = 3 }, "the 0 levels" },
    { { { 1, 5, 4, 4 } }, { 1, 5, 4, 4 }, { 1, 1, 1, 4 }, { 0 },
        { DEFCN_OP_BOX }, "with 4 scales, wanted 1x5x4x4 with one" },
    { { { 1, 5, 4, 8 } }, { 1, 5, 4, 8 }, { 0 }, { 0 },
        { DEFCN_OP_ANCHORS, .n_anchors = 1 },
        "wanted 4 channels of both for each of 1 anchors" },
    { { { 1, 5, 4, 4 } }, { 1, 5, 4, 4 }, { 0 }, { 0 }, { DEFCN_OP_ANCHORS },
        "each of 0 anchors" },
    { { { 1, 5, 4, 4 } }, { 1, 5, 4, 4 }, { 0 }, { 0 },
        { DEFCN_OP_ANCHORS, .n_anchors = DEFCN_MAX_ANCHORS + 1 }, "anchors" },
    { { { 1, 5, 4, 4 } }, { 1, 5, 5, 4 }, { 0 }, { 0 },
        { DEFCN_OP_ANCHORS, .n_anchors = 1 },
        "output is 1x5x5x4, input 1x5x4x4" },
  };
  g_autoptr (DefcnBackend) be = defcn_backend_new ("reference", 1, NULL);

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    Refused *c = &cases[i];
    g_autoptr (GError) error = NULL;
    c->node.name = "head.step";
    c->node.y = &c->y;
    c->node.w = c->w.n ? &c->w : NULL;
    c->node.b = c->b.n ? &c->b : NULL;
    for (int k = 0; k < 3; k++)
      c->node.x[k] = c->x[k].n ? &c->x[k] : NULL;
    g_assert_false (be->ops[c->node.kind].prepare (be, &c->node, &error));
    g_assert_error (error, DEFCN_ERROR, DEFCN_ERROR_BACKEND);
    g_assert_true (g_str_has_prefix (error->message, "head.step: "));
    if (!strstr (error->message, c->message))
      g_error ("\"%s\" does not say \"%s\"", error->message, c->message);
    g_assert_null (c->node.state);
  }
}

/* A device without a row for an op refuses the net, in words. */
static void
test_missing_row (void)
{
  g_autoptr (DefcnBackend) be = defcn_backend_new ("reference", 1, NULL);
  g_autoptr (DefcnParams) params = defcn_params_new (be, FALSE);
  g_autoptr (DefcnNet) net = defcn_net_new (params, be, 1, 4, 4);
  g_autoptr (GError) error = NULL;

  defcn_net_max_pool (net, defcn_net_input (net));
  be->ops[DEFCN_OP_MAX_POOL] = (DefcnOp){ 0 };
  g_assert_false (defcn_net_plan (net, FALSE, &error));
  g_assert_error (error, DEFCN_ERROR, DEFCN_ERROR_BACKEND);
  g_assert_cmpstr (error->message, ==,
      "reference: step \"max_pool\": this device has no max_pool");
}

int
main (int argc, char **argv)
{
  heap_init (argv);
  g_test_init (&argc, &argv, NULL);
  g_setenv ("DEFCN_MODULES", "/nowhere", TRUE); /* whatever is installed */
  g_test_add_func ("/backend/names", test_names);
  g_test_add_func ("/backend/no-cuda", test_no_cuda);
  g_test_add_func ("/backend/other-cuda", test_other_cuda);
  g_test_add_func ("/backend/precisions", test_precisions);
  g_test_add_func ("/backend/auto", test_auto);
  g_test_add_func ("/backend/leaks", test_leaks);
  g_test_add_func ("/backend/refused-names", test_refused_names);
  g_test_add_func ("/backend/threads", test_threads);
  g_test_add_func ("/backend/rows", test_rows);
  g_test_add_func ("/backend/memory", test_memory);
  g_test_add_func ("/backend/refused-steps", test_refused_steps);
  g_test_add_func ("/backend/missing-row", test_missing_row);
  return g_test_run ();
}
