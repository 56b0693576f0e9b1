/* The module for NCCL with the libnccl.so.2 that this machine has, if any: its
 * version and ids; and of one rank, where there is a device, a sum on it, else
 * why not.
 *
 * usage: test_nccl_library MODULE */
#include "backend.h"
#include "ranks/reducer.h"

#include <dlfcn.h>
#include <gmodule.h>
#include <string.h>

#define PATIENCE 60 /* s */

static const DefcnReducer *reducer;

/* NULL, and skips the test, without the library. */
static char *
about (void)
{
  g_autoptr (GError) error = NULL;
  char *found = NULL;
  gpointer library = dlopen ("libnccl.so.2", RTLD_NOW | RTLD_LOCAL);

  if (!library) {
    g_test_skip (dlerror ());
    return NULL;
  }
  dlclose (library);
  reducer->load (&found, &error);
  g_assert_no_error (error);
  return found;
}

/* All functions are there; of two ids each is another. */
static void
test_library (void)
{
  g_autofree char *found = about ();
  g_autoptr (GError) error = NULL;
  guint8 a[DEFCN_REDUCER_ID], b[DEFCN_REDUCER_ID];

  if (!found)
    return;
  g_test_message ("%s", found);
  g_assert_true (g_pattern_match_simple ("NCCL 2.*.*", found));
  reducer->make_id (a, &error);
  g_assert_no_error (error);
  reducer->make_id (b, &error);
  g_assert_no_error (error);
  g_assert_true (memcmp (a, b, sizeof a) != 0);
}

/* What the reducer comes to. */
static DefcnReducerState
settle (gpointer link, GError **error)
{
  const gint64 end = g_get_monotonic_time () + PATIENCE * G_USEC_PER_SEC;
  DefcnReducerState state;

  while ((state = reducer->state (link, error)) == DEFCN_REDUCER_BUSY) {
    g_assert_cmpint (g_get_monotonic_time (), <, end);
    g_usleep (1000);
  }
  return state;
}

/* The sum of one rank is what it has. */
static void
sum (DefcnBackend *be, gpointer side, gpointer link)
{
  g_autoptr (GError) error = NULL;
  DefcnTensor t = { 1, 1, 1, 1000, DEFCN_TENSOR_PARAM };
  const gsize len = defcn_tensor_len (&t);
  float values[1000], found[1000];

  t.grad = be->alloc (be, be->size (be, &t));
  for (gsize i = 0; i < len; i++)
    values[i] = i;
  be->upload (be, &t, t.grad, values);
  be->side->fork (be, side);
  reducer->sum (link, &t.grad, &len, 1, be->side->stream (be, side), &error);
  g_assert_no_error (error);
  g_assert_cmpint (settle (link, &error), ==, DEFCN_REDUCER_READY);
  be->side->join (be, side);
  while (be->side->state (be, side) != DEFCN_SIDE_DONE)
    g_usleep (50);
  be->download (be, &t, found, t.grad);
  g_assert_true (be->sync (be, &error));
  g_assert_cmpmem (found, sizeof found, values, sizeof values);
  be->free (be, t.grad);
}

static void
test_join (void)
{
  g_autofree char *found = about ();
  g_autoptr (GError) error = NULL, why = NULL;
  guint8 id[DEFCN_REDUCER_ID];

  if (!found)
    return;
  g_autoptr (DefcnBackend) be = defcn_backend_new ("cuda", 1, &why);
  gpointer side = be ? be->side->open (be, &error) : NULL;
  g_assert_no_error (error);
  g_assert_true (reducer->make_id (id, &error));
  if (be)
    be->side->stream (be, side);
  gpointer link = reducer->join (id, 0, 1, &error);
  const gboolean good = link && settle (link, &error) == DEFCN_REDUCER_READY;
  g_test_message ("%s", good ? "joined" : error->message);
  if (be) {
    g_assert_true (good);
    sum (be, side, link);
    g_assert_true (reducer->finish (link, &error));
    g_assert_cmpint (settle (link, &error), ==, DEFCN_REDUCER_READY);
  } else {
    g_assert_false (good);
    g_assert_true (g_str_has_prefix (error->message, "NCCL: "));
  }
  if (link)
    reducer->leave (link, good);
  if (be)
    be->side->free (be, side);
}

int
main (int argc, char **argv)
{
  const DefcnReducer *(*get) (void);
  gpointer symbol;

  g_test_init (&argc, &argv, NULL);
  g_assert_cmpint (argc, ==, 2);
  GModule *module = g_module_open (argv[1], G_MODULE_BIND_LOCAL);
  g_assert_nonnull (module);
  g_assert_true (g_module_symbol (module, "defcn_reducer", &symbol));
  memcpy (&get, &symbol, sizeof get);
  reducer = get ();
  g_test_add_func ("/nccl/library", test_library);
  g_test_add_func ("/nccl/join", test_join);
  return g_test_run ();
}
