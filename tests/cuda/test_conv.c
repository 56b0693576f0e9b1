/* Convolutions whose plans cuDNN refuses are done in parts, what has been
 * planned is not planned again, and a graph that cannot be recorded runs
 * without.  The emulation refuses to order, see emulate.hpp. */
#include <glib/gstdio.h>
#include <unistd.h>
#include <utime.h>

#include "../tensors.h"
#include "../testing.h"
#include "emulated_counts.h"
#include "net.h"
#include "scaler.h"

enum
{
  X,
  W,
  B,
  R,
  Y,
  N_TENSORS
};

typedef struct
{
  const char *name, *precision, *refused;
  gboolean bias, residual, relu, precise; /* precise: y */
  const char *how;
  double tolerance;
} Case;

static const Case cases[] = {
  { "fused", "fp16", "", TRUE, TRUE, TRUE, FALSE, "emulated0", 2e-3 },
  { "fused-bfloat", "bf16", "", TRUE, TRUE, TRUE, FALSE, "emulated0", 2e-2 },
  { "float", "fp32", "", TRUE, TRUE, TRUE, FALSE, "emulated0 split", 1e-5 },
  { "float-alone", "fp32", "", FALSE, FALSE, FALSE, FALSE, "emulated0", 1e-5 },
  { "split", "fp16", "fused", TRUE, FALSE, TRUE, FALSE, "emulated0 split",
      2e-3 },
  { "split-residual", "fp16", "fused", TRUE, TRUE, TRUE, FALSE,
      "emulated0 split", 3e-3 },
  { "precise", "fp16", "", TRUE, FALSE, FALSE, TRUE, "emulated0", 2e-3 },
  { "precise-split", "fp16", "fused", TRUE, FALSE, FALSE, TRUE,
      "emulated0 split", 2e-3 },
  { "rounded", "fp16", "compiled", FALSE, FALSE, FALSE, TRUE,
      "emulated0 rounded", 2e-3 },
  { "rounded-bias", "fp16", "compiled", TRUE, FALSE, TRUE, TRUE,
      "emulated0 split rounded", 2e-3 },
  { "rounded-bfloat", "bf16", "compiled", TRUE, FALSE, FALSE, TRUE,
      "emulated0 split rounded", 2e-2 },
};

typedef struct
{
  DefcnBackend *be;
  DefcnTensor *t[N_TENSORS];
  DefcnNode node;
} Step;

static void
step_init (Step *s, DefcnBackend *be, const Case *c)
{
  const DefcnTensor like[N_TENSORS] = {
    [X] = { 2, 7, 9, 8, DEFCN_TENSOR_ACTIVATION },
    [W] = { 16, 3, 3, 8, DEFCN_TENSOR_PARAM },
    [B] = { 1, 1, 1, 16, DEFCN_TENSOR_PARAM },
    [R] = { 2, 7, 9, 16, DEFCN_TENSOR_ACTIVATION },
    [Y] = { 2, 7, 9, 16, DEFCN_TENSOR_ACTIVATION, .precise = c->precise },
  };
  g_autoptr (GRand) rand = g_rand_new_with_seed (17);

  s->be = be;
  for (int i = 0; i < N_TENSORS; i++) {
    g_autofree float *values =
        testing_random (rand, defcn_tensor_len (&like[i]), i == X ? 1 : 0.2f);

    s->t[i] = testing_tensor_new_like (be, &like[i], FALSE);
    testing_tensor_write (be, s->t[i], values);
  }
  s->node = (DefcnNode){ .kind = DEFCN_OP_CONV,
    .name = "step",
    .x = { s->t[X], c->residual ? s->t[R] : NULL },
    .y = s->t[Y],
    .w = s->t[W],
    .b = c->bias ? s->t[B] : NULL,
    .size = 3,
    .stride = 1,
    .pad = 1,
    .groups = 1,
    .relu = c->relu };
}

static void
step_clear (Step *s)
{
  testing_release (s->be, &s->node);
  for (int i = 0; i < N_TENSORS; i++)
    testing_tensor_free (s->be, s->t[i]);
}

static float *
compute (DefcnBackend *be, const Case *c, char **how)
{
  Step s;

  step_init (&s, be, c);
  testing_prepare (be, &s.node);
  if (how)
    *how = g_strdup (be->ops[DEFCN_OP_CONV].describe (be, &s.node));
  testing_forward (be, &s.node);
  float *y = testing_tensor_read (be, s.t[Y]);
  step_clear (&s);
  return y;
}

static DefcnBackend *
open_cuda (const char *precision)
{
  g_autoptr (GError) error = NULL;
  DefcnBackend *be = defcn_backend_new_in ("cuda", precision, 1, &error);

  g_assert_no_error (error);
  return be;
}

static char *
plans_folder (void)
{
  return g_build_filename (g_get_user_cache_dir (), "defcn", "plans", NULL);
}

static void
remove_files (const char *folder)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const char *name;

  while (dir && (name = g_dir_read_name (dir))) {
    g_autofree char *path = g_build_filename (folder, name, NULL);

    g_remove (path);
  }
}

static void
remove_plans (void)
{
  g_autofree char *folder = plans_folder ();

  remove_files (folder);
}

/* Where cuDNN has no plan for all in one, or none that widens, the parts give
 * the same, and the step says so. */
static void
test_case (gconstpointer data)
{
  const Case *c = data;
  g_autoptr (DefcnBackend) reference = defcn_backend_new ("reference", 1, NULL);
  g_autoptr (DefcnBackend) be = open_cuda (c->precision);
  g_autofree char *how = NULL;

  remove_plans ();
  g_setenv ("DEFCN_EMULATE_FAIL", c->refused, TRUE);
  g_autofree float *y = compute (be, c, &how);
  g_unsetenv ("DEFCN_EMULATE_FAIL");
  g_autofree float *wanted = compute (reference, c, NULL);

  testing_assert_close (y, wanted, 2 * 7 * 9 * 16, c->tolerance, c->name);
  g_assert_cmpstr (how, ==, c->how);
}

/* The gradients of a weight and a bias are sums in float32: a thousand passes
 * of which each adds less than a bfloat16 of the sum could hold. */
static void
test_sums (void)
{
  const Case c = { .precision = "bf16", .bias = TRUE };
  const gsize n_y = 2 * 7 * 9 * 16;
  g_autofree float *dy = g_new (float, n_y);
  g_autoptr (DefcnBackend) be = open_cuda (c.precision);
  Step s;

  for (gsize i = 0; i < n_y; i++)
    dy[i] = i % 16 == 3 ? 1.0f / 1024 : 0;
  step_init (&s, be, &c);
  for (int i = W; i < N_TENSORS; i++)
    s.t[i]->grad = be->alloc (be, be->size (be, s.t[i]));
  s.node.train = TRUE;
  testing_prepare (be, &s.node);
  g_autofree float *x = g_new (float, 2 * 7 * 9 * 8);
  for (gsize i = 0; i < 2 * 7 * 9 * 8; i++)
    x[i] = 1;
  testing_tensor_write (be, s.t[X], x);
  testing_forward (be, &s.node);
  for (int i = 0; i < 1000; i++) {
    testing_tensor_write_grad (be, s.t[Y], dy);
    testing_backward (be, &s.node);
  }
  g_autofree float *dw = testing_tensor_read_grad (be, s.t[W]);
  g_autofree float *db = testing_tensor_read_grad (be, s.t[B]);
  for (int o = 0; o < 16; o++) {
    /* the middle tap meets every pixel */
    g_assert_cmpfloat (dw[(o * 9 + 4) * 8], ==, o == 3 ? 126e3f / 1024 : 0);
    g_assert_cmpfloat (db[o], ==, o == 3 ? 126e3f / 1024 : 0);
  }
  step_clear (&s);
}

/* With no plan at all there is an error that names the step. */
static void
test_no_plan (void)
{
  g_autoptr (DefcnBackend) be = open_cuda ("fp16");
  g_autoptr (GError) error = NULL;
  Step s;

  remove_plans ();
  step_init (&s, be, &cases[0]);
  g_setenv ("DEFCN_EMULATE_FAIL", "plan", TRUE);
  g_assert_false (be->ops[DEFCN_OP_CONV].prepare (be, &s.node, &error));
  g_unsetenv ("DEFCN_EMULATE_FAIL");
  g_assert_error (error, DEFCN_ERROR, DEFCN_ERROR_BACKEND);
  g_assert_nonnull (strstr (error->message, "step: "));
  g_assert_nonnull (strstr (error->message, "there is no engine"));
  g_assert_null (s.node.state);
  step_clear (&s);
}

/* cuDNN that does not start is an error in words. */
static void
test_no_cudnn (void)
{
  g_autoptr (GError) error = NULL;

  g_setenv ("DEFCN_EMULATE_FAIL", "cudnn", TRUE);
  g_assert_null (defcn_backend_new_in ("cuda", "fp16", 1, &error));
  g_unsetenv ("DEFCN_EMULATE_FAIL");
  g_assert_error (error, DEFCN_ERROR, DEFCN_ERROR_BACKEND);
  g_assert_nonnull (strstr (error->message, "cuDNN does not start"));
}

static guint
count_files (const char *folder, gboolean damage)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const char *name;
  guint n = 0;

  while (dir && (name = g_dir_read_name (dir))) {
    g_autofree char *path = g_build_filename (folder, name, NULL);

    if (damage)
      g_assert_true (g_file_set_contents (path, "not a plan", -1, NULL));
    n++;
  }
  return n;
}

/* A shape is planned once, whichever step has it and whichever process: the
 * second backend reads what the first has kept, unless it is damaged.  Another
 * shape or precision is another plan. */
static void
test_planned_once (void)
{
  g_autofree char *folder = plans_folder ();
  const int before = emulated_counted (EMULATED_PLANS);
  g_autofree float *wanted = NULL;

  remove_plans ();
  for (int round = 0; round < 3; round++) {
    g_autoptr (DefcnBackend) be = open_cuda ("fp16");

    if (round == 2)
      g_test_expect_message (NULL, G_LOG_LEVEL_MESSAGE,
          "*plans/*: is damaged, its plan is made anew");
    for (int i = 0; i < 3; i++) {
      g_autofree float *y = compute (be, &cases[0], NULL);

      if (round == 2 && i == 0)
        g_test_assert_expected_messages ();
      if (wanted)
        g_assert_cmpmem (y, 2 * 7 * 9 * 16 * 4, wanted, 2 * 7 * 9 * 16 * 4);
      else
        wanted = g_steal_pointer (&y);
    }
    g_assert_cmpint (emulated_counted (EMULATED_PLANS) - before, ==,
        round < 2 ? 1 : 2);
    g_assert_cmpuint (count_files (folder, round == 1), ==, 1);
  }

  g_autoptr (DefcnBackend) be = open_cuda ("bf16");
  g_autofree float *bfloat = compute (be, &cases[1], NULL);
  g_assert_cmpint (emulated_counted (EMULATED_PLANS) - before, ==, 3);
  g_assert_cmpuint (count_files (folder, FALSE), ==, 2);
  remove_plans ();
}

/* With a tune the fastest is kept, and its plan; the next time neither is
 * measured nor made. */
static void
test_tuned_once (void)
{
  g_autofree char *model =
      g_build_filename (g_get_user_cache_dir (), "m", NULL);
  g_autofree char *path = g_strconcat (model, ".tune.json", NULL);
  const int before = emulated_counted (EMULATED_PLANS);

  remove_plans ();
  for (int round = 0; round < 2; round++) {
    g_autoptr (DefcnBackend) be = open_cuda ("fp16");
    g_autofree char *how = NULL;

    be->tune = defcn_tune_open (model);
    g_autofree float *y = compute (be, &cases[0], &how);
    g_assert_cmpstr (how, ==, "emulated1 tuned");
    g_assert_true (defcn_tune_save (be->tune));
    g_assert_cmpint (emulated_counted (EMULATED_PLANS) - before, ==, 1);
  }
  remove_plans ();
  g_assert_cmpint (g_remove (path), ==, 0);
}

/* A cache that cannot be written costs nothing but time. */
static void
test_no_cache (void)
{
  g_autofree char *folder = plans_folder ();
  g_autoptr (DefcnBackend) be = open_cuda ("fp16");

  remove_plans ();
  g_rmdir (folder);
  g_assert_true (g_file_set_contents (folder, "in the way", -1, NULL));
  g_autofree float *y = compute (be, &cases[0], NULL);
  g_assert_cmpint (g_remove (folder), ==, 0);
}

/* Plans are kept where the environment says, or not at all. */
static void
test_folder (void)
{
  g_autofree char *usual = plans_folder ();
  g_autofree char *other =
      g_build_filename (g_get_user_cache_dir (), "here", "plans", NULL);
  g_autofree char *parent = g_path_get_dirname (other);
  const int before = emulated_counted (EMULATED_PLANS);

  remove_plans ();
  for (int round = 0; round < 4; round++) {
    g_setenv ("DEFCN_PLANS", round < 2 ? "" : other, TRUE);
    g_autoptr (DefcnBackend) be = open_cuda ("fp16");
    g_autofree float *y = compute (be, &cases[0], NULL);

    g_assert_cmpint (emulated_counted (EMULATED_PLANS) - before, ==,
        MIN (round + 1, 3));
    g_assert_cmpuint (count_files (usual, FALSE), ==, 0);
    g_assert_cmpuint (count_files (other, FALSE), ==, round >= 2);
  }
  remove_files (other);
  g_unsetenv ("DEFCN_PLANS");
  g_assert_cmpint (g_rmdir (other), ==, 0);
  g_assert_cmpint (g_rmdir (parent), ==, 0);
}

/* A folder that is full loses its older half, and nothing that is no plan. */
static void
test_full (void)
{
  g_autofree char *folder = plans_folder ();
  g_autofree char *foreign = g_build_filename (folder, "mine.txt", NULL);

  for (int large = 0; large < 2; large++) {
    g_autoptr (DefcnBackend) be = open_cuda ("fp16");
    const int n = large ? 40 : 4096;

    remove_plans ();
    g_mkdir_with_parents (folder, 0700);
    g_assert_true (g_file_set_contents (foreign, "kept", -1, NULL));
    for (int i = 0; i < n; i++) {
      g_autofree char *path = g_strdup_printf ("%s/%064x", folder, i);
      struct utimbuf times = { 1000 + i, 1000 + i };

      g_assert_true (g_file_set_contents (path, "", 0, NULL));
      if (large) /* 14 MB each, of which the disk has nothing */
        g_assert_cmpint (truncate (path, 14 << 20), ==, 0);
      g_assert_cmpint (g_utime (path, &times), ==, 0);
    }
    g_autofree float *y = compute (be, &cases[0], NULL);
    const guint kept = large ? 18 : 2048;
    g_autofree char *oldest =
        g_strdup_printf ("%s/%064x", folder, n - (int) kept);
    g_autofree char *gone =
        g_strdup_printf ("%s/%064x", folder, n - (int) kept - 1);
    g_assert_cmpuint (count_files (folder, FALSE), ==, kept + 2);
    g_assert_true (g_file_test (oldest, G_FILE_TEST_EXISTS));
    g_assert_false (g_file_test (gone, G_FILE_TEST_EXISTS));
    g_assert_true (g_file_test (foreign, G_FILE_TEST_EXISTS));
  }
  remove_plans ();
}

/* The first three of every pixel's channels are there, the others zero.  Of 16
 * bits each, all ones of which are none that is computed. */
static void
assert_padded (const DefcnTensor *x, int channels)
{
  const guint16 *memory = (const guint16 *) x->data;
  gsize n_zeros = 0;

  for (gsize i = 0; i < (gsize) x->n * x->h * x->w; i++)
    for (int c = 0; c < channels; c++) {
      const guint16 value = memory[i * channels + c];

      g_assert_cmpuint (value, !=, 0xffff);
      if (c >= 3)
        g_assert_cmpuint (value, ==, 0);
      else
        n_zeros += value == 0;
    }
  g_assert_cmpuint (n_zeros, <, (gsize) x->n * x->h * x->w * 3 / 2);
}

/* In half precision the network's input has four channels in memory, in
 * bfloat16 eight, those beyond the third zero however it comes there; in
 * float32 three. */
static void
test_padded_input (void)
{
  static const struct
  {
    const char *precision;
    int channels, size;
  } inputs[] = { { "fp16", 4, 2 }, { "bf16", 8, 2 }, { "tf32", 3, 4 },
    { "fp32", 3, 4 } };
  const DefcnTensor like = { 2, 32, 64, 3, DEFCN_TENSOR_INPUT };
  const DefcnInputRule rule = { .mean = { 1, 2, 3 }, .std = { 60, 50, 40 } };
  const gsize pixels = 2 * 32 * 64;
  guint8 rgb[30 * 50 * 3];
  const DefcnImage image = { DEFCN_FORMAT_RGB, 50, 30, { rgb }, { 150 } };
  g_autoptr (DefcnScaler) scaler = defcn_scaler_new ();
  g_autoptr (GRand) rand = g_rand_new_with_seed (3);
  g_autofree float *noise = testing_random (rand, pixels * 3, 1);
  DefcnPreprocess p;

  for (guint i = 0; i < sizeof rgb; i++)
    rgb[i] = g_rand_int_range (rand, 5, 256);
  defcn_scaler_describe (scaler, &p, &image, 0, 0, 50, 30, 50, 30, &rule);
  for (guint i = 0; i < G_N_ELEMENTS (inputs); i++) {
    g_autoptr (DefcnBackend) be = open_cuda (inputs[i].precision);
    DefcnTensor *x = testing_tensor_new_like (be, &like, FALSE);
    const gboolean is_wide = inputs[i].size == 4;

    g_assert_cmpuint (be->size (be, x), ==,
        pixels * inputs[i].channels * inputs[i].size);
    memset (x->data, 0xff, be->size (be, x));
    testing_tensor_write (be, x, noise);
    g_autofree float *back = testing_tensor_read (be, x);
    testing_assert_close (back, noise, pixels * 3, is_wide ? 0 : 4e-3, "noise");
    if (!is_wide)
      assert_padded (x, inputs[i].channels);

    memset (x->data, 0xff, be->size (be, x));
    for (int k = 0; k < 2; k++)
      g_assert_true (be->preprocess (be, x, k, &image, &p));
    g_assert_true (be->sync (be, NULL));
    if (!is_wide)
      assert_padded (x, inputs[i].channels);
    testing_tensor_free (be, x);
  }
}

/* More pixels than staging takes at once come and go as they are. */
static void
test_padded_chunks (void)
{
  const DefcnTensor like = { 1, 1152, 1280, 3, DEFCN_TENSOR_INPUT };
  const gsize len = defcn_tensor_len (&like);
  g_autoptr (DefcnBackend) be = open_cuda ("fp16");
  g_autofree float *values = g_new (float, len);
  DefcnTensor *x = testing_tensor_new_like (be, &like, FALSE);

  for (gsize i = 0; i < len; i++)
    values[i] = i % 2039; /* which half precision holds */
  testing_tensor_write (be, x, values);
  g_autofree float *back = testing_tensor_read (be, x);
  g_assert_cmpmem (back, len * sizeof *back, values, len * sizeof *values);
  testing_tensor_free (be, x);
}

static void
pool_input (DefcnNet *net, DefcnTensor *input)
{
  defcn_net_max_pool (net, input);
}

static void
group_input (DefcnNet *net, DefcnTensor *input)
{
  defcn_net_conv (net, input, "thirds", 3, 3, 1,
      &(DefcnConvOptions){ .groups = 3 });
}

static void
deform_input (DefcnNet *net, DefcnTensor *input)
{
  const DefcnConvOptions options = { .bias = TRUE };

  defcn_net_deform_conv (net, input,
      defcn_net_conv (net, input, "offsets", 18, 3, 1, &options), "bent", 8, 3,
      1, &options);
}

/* Who reads the padded input as if it were dense is refused in words: all but a
 * convolution of one group. */
static void
test_padded_readers (void)
{
  static const struct
  {
    void (*read) (DefcnNet *net, DefcnTensor *input);
    const char *message;
  } readers[] = { { pool_input,
                      "max_pool: reads the network's input, which in this "
                      "precision convolutions alone do" },
    { group_input,
        "thirds: 3 groups of the network's input, which in this "
        "precision has one" },
    { deform_input,
        "bent: reads the network's input, which in this precision "
        "convolutions alone do" } };

  for (guint i = 0; i < 2 * G_N_ELEMENTS (readers); i++) {
    const gboolean is_dense = i >= G_N_ELEMENTS (readers);
    g_autoptr (DefcnBackend) be = open_cuda (is_dense ? "fp32" : "fp16");
    g_autoptr (DefcnParams) params = defcn_params_new (be, FALSE);
    g_autoptr (DefcnNet) net = defcn_net_new (params, be, 1, 8, 8);
    g_autoptr (GError) error = NULL;

    readers[i % G_N_ELEMENTS (readers)].read (net, defcn_net_input (net));
    g_assert_true (defcn_net_plan (net, FALSE, &error) == is_dense);
    if (is_dense)
      continue;
    g_assert_error (error, DEFCN_ERROR, DEFCN_ERROR_BACKEND);
    g_assert_cmpstr (error->message, ==, readers[i].message);
  }
}

static DefcnBackend *second; /* of the devices */

static gpointer
release_step (gpointer data)
{
  DefcnNode *node = data;

  second->ops[node->kind].release (second, node);
  g_assert_null (node->state);
  return NULL;
}

/* Each step lets go of its memory on the device that has it, though the thread
 * has chosen another, as a thread of its own has to begin with. */
static void
test_released_elsewhere (void)
{
  const DefcnConvOptions options = { .bias = TRUE, .relu = TRUE };
  g_autoptr (DefcnBackend) be =
      defcn_backend_new_in ("cuda:1", "bf16", 1, NULL);
  g_autoptr (DefcnParams) params = defcn_params_new (be, TRUE);
  g_autoptr (DefcnNet) net = defcn_net_new (params, be, 1, 64, 64);
  DefcnTensor *x = defcn_net_input (net);
  g_autoptr (GError) error = NULL;

  x = defcn_net_conv (net, x, "stem", 8, 7, 2, &options);
  x = defcn_net_max_pool (net, x);
  x = defcn_net_group_norm (net, x, "norm", 4, TRUE);
  x = defcn_net_tube_max (net, x, &x, 1, 0, 2, 3, FALSE);
  x = defcn_net_conv (net, x, "sides", 4, 3, 1, &options);
  defcn_net_box (net, x, "box", 8, FALSE);
  g_assert_true (defcn_net_plan (net, TRUE, &error));
  g_assert_no_error (error);
  second = be;
  for (guint i = 0; i < defcn_net_count (net); i++) {
    gpointer node = (gpointer) defcn_net_node (net, i);

    g_thread_join (g_thread_new ("release", release_step, node));
  }
}

int
main (int argc, char **argv)
{
  g_autofree char *cache = g_dir_make_tmp ("defcn-conv-XXXXXX", NULL);
  g_autofree char *parent = g_build_filename (cache, "defcn", NULL);
  g_autofree char *folder = g_build_filename (parent, "plans", NULL);

  g_setenv ("XDG_CACHE_HOME", cache, TRUE);
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *path =
        g_strdup_printf ("/cuda/conv/parts/%s", cases[i].name);
    g_test_add_data_func (path, &cases[i], test_case);
  }
  g_test_add_func ("/cuda/conv/sums", test_sums);
  g_test_add_func ("/cuda/conv/no-plan", test_no_plan);
  g_test_add_func ("/cuda/conv/no-cudnn", test_no_cudnn);
  g_test_add_func ("/cuda/conv/planned-once", test_planned_once);
  g_test_add_func ("/cuda/conv/tuned-once", test_tuned_once);
  g_test_add_func ("/cuda/conv/no-cache", test_no_cache);
  g_test_add_func ("/cuda/conv/folder", test_folder);
  g_test_add_func ("/cuda/conv/full", test_full);
  g_test_add_func ("/cuda/conv/padded/input", test_padded_input);
  g_test_add_func ("/cuda/conv/padded/chunks", test_padded_chunks);
  g_test_add_func ("/cuda/conv/padded/readers", test_padded_readers);
  g_test_add_func ("/cuda/conv/released-elsewhere", test_released_elsewhere);

  const int status = g_test_run ();
  remove_plans ();
  g_rmdir (folder);
  g_rmdir (parent);
  g_rmdir (cache);
  return status;
}
