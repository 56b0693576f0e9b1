/* Parameters: how they start, how a batch norm is folded in, what becomes of
 * their gradients, and masters in the memory of a device. */
#include "params.h"

#include <math.h>
#include <string.h>

#include "counted.h"

static DefcnBackend *
open_backend (void)
{
  g_autoptr (GError) error = NULL;
  DefcnBackend *be = defcn_backend_new ("reference", 1, &error);

  g_assert_no_error (error);
  return be;
}

/* A convolution of @out rows of @in values, 1x1. */
static void
make_conv (DefcnParams *params, DefcnTensor **w, DefcnTensor **b,
    const char *name, gboolean norm, gboolean bias, int out, int in)
{
  defcn_params_conv (params, w, b, name, norm, bias, TRUE, DEFCN_INIT_NORMAL, 1,
      0.25f, out, 1, in);
}

static float *
values_of (const DefcnParams *params, const char *name)
{
  const DefcnParam *p = defcn_params_lookup (params, name);

  g_assert_nonnull (p);
  return p->value;
}

static float *
gradient_of (const DefcnParams *params, const char *name)
{
  const DefcnParam *p = defcn_params_lookup (params, name);

  g_assert_nonnull (p);
  g_assert_nonnull (p->grad);
  return p->grad;
}

static void
assert_values (const float *found, const float *wanted, gsize n)
{
  for (gsize i = 0; i < n; i++)
    g_assert_cmpfloat_with_epsilon (found[i], wanted[i], 1e-6);
}

/* What a tensor of the reference holds, which is in the host's memory. */
static void
assert_tensor (const DefcnTensor *t, const float *wanted)
{
  assert_values (t->data, wanted, defcn_tensor_len (t));
}

/* Mean, standard deviation, tails and limits of 200000 values are those of the
 * rule. */
static void
test_initial (void)
{
  static const struct
  {
    DefcnInit init;
    float value;
    double deviation, beyond; /* of values: share above 1.5 deviations */
  } cases[] = {
    { DEFCN_INIT_NORMAL, 0.5f, 0.5, 0.0668 },
    { DEFCN_INIT_NORMAL, 0.01f, 0.01, 0.0668 },
    { DEFCN_INIT_UNIFORM, 0.5f, 0.288675, 0.0670 },
    { DEFCN_INIT_UNIFORM, 3, 1.732051, 0.0670 },
  };
  enum
  {
    LEN = 200000
  };
  g_autoptr (DefcnBackend) be = open_backend ();

  for (gsize k = 0; k < G_N_ELEMENTS (cases); k++) {
    const double deviation = cases[k].deviation;
    g_autoptr (DefcnParams) params = defcn_params_new (be, FALSE);
    DefcnTensor *w, *b;
    double sum = 0, squares = 0, above = 0, below = 0, largest = 0;

    defcn_params_conv (params, &w, &b, "a", FALSE, FALSE, TRUE, cases[k].init,
        cases[k].value, 0, 10, 100, 2);
    defcn_params_initialize (params, 11);
    const float *x = values_of (params, "a.weight");
    for (int i = 0; i < LEN; i++) {
      sum += x[i];
      squares += x[i] * x[i];
      above += x[i] > 1.5 * deviation;
      below += x[i] < -1.5 * deviation;
      largest = MAX (largest, fabs (x[i]));
    }
    g_assert_cmpfloat_with_epsilon (sum / LEN, 0, 0.01 * deviation);
    g_assert_cmpfloat_with_epsilon (sqrt (squares / LEN), deviation,
        0.01 * deviation);
    g_assert_cmpfloat_with_epsilon (above / LEN, cases[k].beyond, 0.003);
    g_assert_cmpfloat_with_epsilon (below / LEN, cases[k].beyond, 0.003);
    if (cases[k].init == DEFCN_INIT_UNIFORM) {
      g_assert_cmpfloat (largest, <=, cases[k].value);
      g_assert_cmpfloat (largest, >, 0.99 * cases[k].value);
    } else {
      g_assert_cmpfloat (largest, >, 4 * deviation);
      g_assert_cmpfloat (largest, <, 6 * deviation);
    }
  }
}

/* Values follow from seed, all 64 bits of it, and name, and not from the order
 * in which parameters were made. */
static void
test_seed (void)
{
  static const guint64 seeds[] = { 5, 6, G_GUINT64_CONSTANT (5) << 32 | 5 };
  enum
  {
    LEN = 32
  };
  g_autoptr (DefcnBackend) be = open_backend ();
  g_autoptr (DefcnParams) one = defcn_params_new (be, FALSE);
  g_autoptr (DefcnParams) other = defcn_params_new (be, TRUE);
  float seen[G_N_ELEMENTS (seeds)][LEN];
  DefcnTensor *w, *b;

  make_conv (one, &w, &b, "a", TRUE, FALSE, 4, 8);
  make_conv (one, &w, &b, "b", TRUE, FALSE, 4, 8);
  make_conv (other, &w, &b, "b", TRUE, FALSE, 4, 8);
  make_conv (other, &w, &b, "a", TRUE, FALSE, 4, 8);
  for (gsize i = 0; i < G_N_ELEMENTS (seeds); i++) {
    defcn_params_initialize (one, seeds[i]);
    defcn_params_initialize (other, seeds[i]);
    const float *a = values_of (one, "a.weight");

    g_assert_cmpmem (a, sizeof seen[0], values_of (other, "a.weight"),
        sizeof seen[0]);
    g_assert_true (memcmp (a, values_of (one, "b.weight"), sizeof seen[0]));
    memcpy (seen[i], a, sizeof seen[0]);
    for (gsize k = 0; k < i; k++)
      g_assert_true (memcmp (seen[i], seen[k], sizeof seen[0]));
  }
}

/* A batch norm that nothing has been loaded into changes no bit; a bias starts
 * where it was told. */
static void
test_identity (void)
{
  g_autoptr (DefcnBackend) be = open_backend ();
  g_autoptr (DefcnParams) params = defcn_params_new (be, FALSE);
  DefcnTensor *w, *b;

  make_conv (params, &w, &b, "a", TRUE, TRUE, 3, 5);
  defcn_params_initialize (params, 1);
  defcn_params_upload (params);
  g_assert_cmpmem (w->data, 15 * sizeof (float), values_of (params, "a.weight"),
      15 * sizeof (float));
  assert_tensor (b, (float[]){ 0.25f, 0.25f, 0.25f });
}

/* s = (2 / 4, 3 / 1) of a batch norm over two rows with a bias of their own. */
static void
set_norm (DefcnParams *params)
{
  const float weight[] = { 1, 2, 3, 4 };

  memcpy (values_of (params, "a.weight"), weight, sizeof weight);
  for (int i = 0; i < 2; i++) {
    values_of (params, "a.norm.weight")[i] = 2 + i;
    values_of (params, "a.norm.bias")[i] = 5 - i;
    values_of (params, "a.norm.running_mean")[i] = 7 + i;
    values_of (params, "a.norm.running_var")[i] = (i ? 1 : 16) - 1e-5f;
    if (defcn_params_lookup (params, "a.bias"))
      values_of (params, "a.bias")[i] = 10 + i;
  }
}

/* w' = s w and b' = beta + s (b - mean) row by row, and the gradients of the
 * masters are s times those of the folded. */
static void
test_fold (void)
{
  const float dw[] = { 1, 2, 3, 4 }, db[] = { 10, 20 };
  g_autoptr (DefcnBackend) be = open_backend ();
  g_autoptr (DefcnParams) params = defcn_params_new (be, TRUE);
  DefcnTensor *w, *b;

  make_conv (params, &w, &b, "a", TRUE, TRUE, 2, 2);
  set_norm (params);
  defcn_params_upload (params);
  assert_tensor (w, (float[]){ 0.5f, 1, 9, 12 });
  assert_tensor (b, (float[]){ 6.5f, 13 });

  for (int round = 1; round <= 2; round++) { /* added, and taken once */
    memcpy (w->grad, dw, sizeof dw);
    memcpy (b->grad, db, sizeof db);
    defcn_params_download_gradients (params);
    defcn_params_download_gradients (params);
    for (int i = 0; i < 4; i++)
      g_assert_cmpfloat_with_epsilon (gradient_of (params, "a.weight")[i],
          round * (i < 2 ? 0.5f : 3) * dw[i], 1e-5);
    for (int i = 0; i < 2; i++)
      g_assert_cmpfloat_with_epsilon (gradient_of (params, "a.bias")[i],
          round * (i < 1 ? 0.5f : 3) * db[i], 1e-4);
  }
  defcn_params_zero_gradients (params);
  for (int i = 0; i < 4; i++)
    g_assert_cmpfloat (gradient_of (params, "a.weight")[i], ==, 0);
  for (int i = 0; i < 2; i++)
    g_assert_cmpfloat (gradient_of (params, "a.bias")[i], ==, 0);
}

/* Without a batch norm, values and gradients go through as they are; without a
 * bias either there is none. */
static void
test_plain (void)
{
  g_autoptr (DefcnBackend) be = open_backend ();
  g_autoptr (DefcnParams) params = defcn_params_new (be, TRUE);
  DefcnTensor *w, *b, *none, *again, *v;

  make_conv (params, &w, &b, "a", FALSE, TRUE, 2, 1);
  make_conv (params, &again, &none, "none", FALSE, FALSE, 1, 1);
  g_assert_null (none);
  make_conv (params, &again, &none, "a", FALSE, TRUE, 2, 1);
  g_assert_true (again == w && none == b);
  v = defcn_params_vector (params, "v", DEFCN_PARAM_SCALE, 3, 2);
  g_assert_true (
      v == defcn_params_vector (params, "v", DEFCN_PARAM_SCALE, 3, 2));
  const DefcnTensor *const all[] = { w, b, v };
  for (gsize i = 0; i < G_N_ELEMENTS (all); i++)
    g_assert_cmpint (all[i]->role, ==, DEFCN_TENSOR_PARAM);
  g_assert_cmpuint (defcn_params_count (params), ==, 4);
  g_assert_cmpstr (defcn_params_get (params, 1)->name, ==, "a.bias");
  g_assert_null (defcn_params_lookup (params, "a"));

  values_of (params, "a.weight")[1] = 4;
  values_of (params, "a.bias")[1] = 5;
  const guint version = w->version;
  defcn_params_upload (params);
  g_assert_cmpuint (w->version, ==, version + 1);
  g_assert_cmpuint (b->version, ==, version + 1);
  defcn_params_upload (params); /* each time, for what is packed of them */
  g_assert_cmpuint (w->version, ==, version + 2);
  g_assert_cmpuint (b->version, ==, version + 2);
  g_assert_cmpfloat (w->data[1], ==, 4);
  assert_tensor (b, (float[]){ 0.25f, 5 });
  assert_tensor (v, (float[]){ 3, 3 });
  w->grad[1] = 6;
  b->grad[1] = 7;
  v->grad[0] = 8;
  defcn_params_download_gradients (params);
  assert_values (gradient_of (params, "a.weight"), (float[]){ 0, 6 }, 2);
  assert_values (gradient_of (params, "a.bias"), (float[]){ 0, 7 }, 2);
  assert_values (gradient_of (params, "v"), (float[]){ 8, 0 }, 2);
}

/* Only what is trained, in a model in training, has gradients; the numbers of
 * a batch norm never are. */
static void
test_trainable (void)
{
  g_autoptr (DefcnBackend) be = open_backend ();

  for (int train = 0; train < 2; train++) {
    for (int trainable = 0; trainable < 2; trainable++) {
      g_autoptr (DefcnParams) params = defcn_params_new (be, train);
      DefcnTensor *w, *b;

      defcn_params_conv (params, &w, &b, "a", TRUE, TRUE, trainable,
          DEFCN_INIT_NORMAL, 1, 0, 2, 1, 2);
      g_assert_cmpuint (defcn_params_count (params), ==, 6);
      for (guint i = 0; i < 6; i++) {
        const DefcnParam *p = defcn_params_get (params, i);
        const gboolean buffer = strstr (p->name, "norm") != NULL;

        g_assert_cmpint (p->kind, ==,
            buffer                                 ? DEFCN_PARAM_BUFFER
                : g_str_has_suffix (p->name, "as") ? DEFCN_PARAM_BIAS
                                                   : DEFCN_PARAM_WEIGHT);
        g_assert_cmpint (p->trainable, ==, trainable && !buffer);
        g_assert_true (!p->grad == !(train && trainable && !buffer));
      }
      g_assert_true (!w->grad == !(train && trainable));
      g_assert_true (!b->grad == !(train && trainable));
    }
  }
}

/* The first parameter that found no memory is named, and what was taken is
 * given back. */
static void
test_no_memory (void)
{
  static const char *const names[] = { "a.weight", "a.bias", "b.weight", "v" };
  g_autoptr (DefcnBackend) be = open_backend ();

  counted_install (be);
  for (guint n = 0; n <= G_N_ELEMENTS (names); n++) {
    g_autoptr (GError) error = NULL;
    DefcnParams *params = defcn_params_new (be, FALSE);
    DefcnTensor *w, *b;

    counted.left = n;
    make_conv (params, &w, &b, "a", FALSE, TRUE, 2, 1);
    make_conv (params, &w, &b, "b", FALSE, FALSE, 2, 1);
    defcn_params_vector (params, "v", DEFCN_PARAM_SCALE, 1, 2);
    if (n == G_N_ELEMENTS (names)) {
      g_assert_true (defcn_params_check (params, &error));
      g_assert_no_error (error);
    } else {
      g_assert_false (defcn_params_check (params, &error));
      g_assert_error (error, DEFCN_ERROR, DEFCN_ERROR_BACKEND);
      g_assert_true (g_str_has_suffix (error->message, names[n]));
      g_assert_true (g_str_has_prefix (error->message, "reference: "));
    }
    g_assert_cmpint (counted.live, ==, n);
    defcn_params_free (params);
    g_assert_cmpint (counted.live, ==, 0);
  }
}

static DefcnMaster masters[3]; /* what the updater below works on */

/* An update that adds 1 to every master. */
static double
add_one (DefcnBackend *be, gpointer updater, const DefcnUpdateRule *rule)
{
  for (gsize k = 0; k < G_N_ELEMENTS (masters); k++)
    for (gsize i = 0; i < defcn_tensor_len (masters[k].effective); i++)
      masters[k].value[i] += 1;
  return rule->lr;
}

/* Where a backend updates masters itself, they are in its memory with scale and
 * shift of the batch norm; the host follows when asked, and until then does not
 * write over them. */
static void
test_device (void)
{
  static const DefcnUpdater updater = { .step = add_one };
  static const char *const names[] = { "a.weight", "a.bias", "v" };
  const DefcnUpdateRule rule = { .lr = 42 };
  g_autoptr (DefcnBackend) be = open_backend ();

  be->updater = &updater;
  counted_install (be);
  DefcnParams *idle = defcn_params_new (be, FALSE);
  g_assert_false (defcn_params_on_device (idle));
  defcn_params_free (idle);

  DefcnParams *params = defcn_params_new (be, TRUE);
  DefcnTensor *w, *b, *v;
  g_assert_true (defcn_params_on_device (params));
  g_assert_true (defcn_params_backend (params) == be);
  make_conv (params, &w, &b, "a", TRUE, TRUE, 2, 2);
  v = defcn_params_vector (params, "v", DEFCN_PARAM_SCALE, 3, 2);
  set_norm (params);
  defcn_params_upload (params);
  for (gsize i = 0; i < G_N_ELEMENTS (names); i++) {
    const DefcnParam *p = defcn_params_lookup (params, names[i]);

    defcn_params_master (params, p, &masters[i]);
    assert_values (masters[i].value, p->value, defcn_param_len (p));
    g_assert_true (masters[i].value != masters[i].effective->data);
  }
  g_assert_true (masters[0].effective == w && masters[1].effective == b
      && masters[2].effective == v);
  for (int i = 0; i < 2; i++)
    assert_values (masters[i].scale, (float[]){ 0.5f, 3 }, 2);
  g_assert_null (masters[0].shift);
  assert_values (masters[1].shift, (float[]){ 1.5f, -20 }, 2);
  g_assert_true (!masters[2].scale && !masters[2].shift);
  g_assert_cmpint (masters[0].rows, ==, 2);
  g_assert_cmpint (masters[1].rows, ==, 2);
  g_assert_cmpint (masters[2].rows, ==, 1);

  const guint versions[] = { w->version, b->version, v->version };
  g_assert_cmpfloat (defcn_params_update (params, NULL, &rule), ==, 42);
  g_assert_cmpuint (w->version, ==, versions[0] + 1);
  g_assert_cmpuint (b->version, ==, versions[1] + 1);
  g_assert_cmpuint (v->version, ==, versions[2] + 1);
  defcn_params_upload (params); /* the host's are old: nothing */
  assert_values (masters[0].value, (float[]){ 2, 3, 4, 5 }, 4);
  defcn_params_download (params);
  assert_values (values_of (params, "a.weight"), (float[]){ 2, 3, 4, 5 }, 4);
  assert_values (values_of (params, "a.bias"), (float[]){ 11, 12 }, 2);
  assert_values (values_of (params, "v"), (float[]){ 4, 4 }, 2);
  values_of (params, "v")[1] = 9;
  defcn_params_download (params); /* once is enough */
  defcn_params_upload (params);
  assert_values (masters[2].value, (float[]){ 4, 9 }, 2);
  assert_tensor (v, (float[]){ 4, 9 });

  /* the gradients stay, and the host's are copies */
  w->grad[3] = 5;
  defcn_params_download_gradients (params);
  defcn_params_download_gradients (params);
  g_assert_cmpfloat (gradient_of (params, "a.weight")[3], ==, 15);
  g_assert_cmpfloat (w->grad[3], ==, 5);
  b->grad[1] = 2;
  v->grad[1] = 3;
  defcn_params_download_gradients (params);
  defcn_params_zero_gradients (params);
  g_assert_cmpfloat (w->grad[3] + b->grad[1] + v->grad[1], ==, 0);
  g_assert_cmpfloat (gradient_of (params, "a.weight")[3], ==, 15);
  defcn_params_download_gradients (params);
  g_assert_cmpfloat (gradient_of (params, "a.weight")[3], ==, 0);
  g_assert_cmpfloat (gradient_of (params, "v")[1], ==, 0);

  /* a fresh start is newer than any update */
  defcn_params_update (params, NULL, &rule);
  defcn_params_initialize (params, 1);
  defcn_params_upload (params);
  assert_values (masters[2].value, (float[]){ 3, 3 }, 2);
  defcn_params_free (params);
  g_assert_cmpint (counted.live, ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/params/initial", test_initial);
  g_test_add_func ("/params/seed", test_seed);
  g_test_add_func ("/params/identity", test_identity);
  g_test_add_func ("/params/fold", test_fold);
  g_test_add_func ("/params/plain", test_plain);
  g_test_add_func ("/params/trainable", test_trainable);
  g_test_add_func ("/params/no-memory", test_no_memory);
  g_test_add_func ("/params/device", test_device);
  return g_test_run ();
}
