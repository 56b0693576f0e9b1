/* Gradients summed over ranks in the memory of the emulated device, by the
 * module for NCCL and a libnccl of our own (nccl/fake_nccl.c), which ends this
 * program where a call, its order or its stream is not as it has to be. */
#include "train/buckets.h"

#include "../folder.h"
#include "../hub.h"
#include "emulated_counts.h"

#include <string.h>

#define N_PARAMS 5

static const int lens[N_PARAMS] = { 3, 4, 2, 9, 1 };

/* A rank: its own device, unless it is told another's. */
typedef struct
{
  DefcnBackend *be;
  DefcnTensor params[N_PARAMS];
} Bed;

static void
bed_init (Bed *bed, const char *device)
{
  g_autofree char *own = g_strdup_printf ("cuda:%d", hub_rank ());

  bed->be = defcn_backend_new (device ? device : own, 1, NULL);
  g_assert_nonnull (bed->be);
  for (int i = 0; i < N_PARAMS; i++) {
    DefcnTensor *t = &bed->params[i];

    *t = (DefcnTensor){ .n = 1,
      .h = 1,
      .w = 1,
      .c = lens[i],
      .role = DEFCN_TENSOR_PARAM };
    t->grad = bed->be->alloc (bed->be, bed->be->size (bed->be, t));
  }
}

static void
bed_clear (Bed *bed)
{
  for (int i = 0; i < N_PARAMS; i++)
    bed->be->free (bed->be, bed->params[i].grad);
  defcn_backend_free (bed->be);
}

static float
value_of (int rank, int round, int i, int k)
{
  return 1000 * round + 100 * rank + 10 * i + k;
}

static void
fill (Bed *bed, int rank, int round)
{
  for (int i = 0; i < N_PARAMS; i++) {
    float values[9];

    for (int k = 0; k < lens[i]; k++)
      values[k] = value_of (rank, round, i, k);
    bed->be->upload (bed->be, &bed->params[i], bed->params[i].grad, values);
  }
}

static void
check (Bed *bed, int round)
{
  for (int i = 0; i < N_PARAMS; i++) {
    float values[9];

    bed->be->download (bed->be, &bed->params[i], values, bed->params[i].grad);
    for (int k = 0; k < lens[i]; k++)
      g_assert_cmpfloat (values[k], ==,
          value_of (0, round, i, k) + value_of (1, round, i, k));
  }
}

/* The calls of rank @rank so far, one a line. */
static char *
calls (int rank)
{
  g_autofree char *text = NULL;
  GString *found = g_string_new (NULL);

  if (!g_file_get_contents (g_getenv ("FAKE_NCCL_LOG"), &text, NULL, NULL))
    return g_string_free (found, FALSE);
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  for (int i = 0; lines[i]; i++)
    if (lines[i][0] == '0' + rank && lines[i][1] == ' ')
      g_string_append_printf (found, "%s\n", lines[i] + 2);
  return g_string_free (found, FALSE);
}

static int
count (int rank, const char *call)
{
  g_autofree char *text = calls (rank);
  int n = 0;

  for (const char *at = text; (at = strstr (at, call)); at++)
    n++;
  return n;
}

typedef struct
{
  gsize bytes;
  int begun[N_PARAMS]; /* sums, after each parameter of a later round */
} Case;

static void
play_buckets (DefcnRanks *ranks, gpointer data)
{
  const Case *c = data;
  const int rank = hub_rank (), n = c->begun[N_PARAMS - 1];
  g_autoptr (GError) error = NULL;
  g_autofree char *about = NULL;
  DefcnCollective *collective;
  Bed bed;

  bed_init (&bed, NULL);
  defcn_collective_open (&collective, &about, ranks, bed.be, DEFCN_REDUCE_AUTO,
      &error);
  g_assert_no_error (error);
  g_assert_nonnull (collective);
  g_assert_cmpstr (about, ==,
      "gradients are summed on the GPUs by NCCL 2.28.9");
  DefcnBuckets *buckets =
      defcn_buckets_new (ranks, collective, bed.be, c->bytes);
  for (int round = 0; round < 3; round++) {
    fill (&bed, rank, round);
    for (int i = 0; i < N_PARAMS; i++) {
      defcn_buckets_tell (&bed.params[i], buckets);
      g_assert_cmpint (count (rank, "sum "), ==,
          round * n + (round ? c->begun[i] : 0));
    }
    g_assert_true (defcn_buckets_finish (buckets, &error));
    g_assert_cmpint (count (rank, "summed "), ==, (round + 1) * n);
    g_assert_cmpint (defcn_ranks_summed (ranks), ==, (round + 1) * 4 * 19);
    check (&bed, round);
  }
  g_assert_cmpint (count (rank, "finalize"), ==, 0);
  defcn_collective_free (collective, TRUE);
  defcn_ranks_free (ranks, TRUE);
  defcn_buckets_free (buckets);
  bed_clear (&bed);
}

/* A bucket is on its way as soon as its last gradient is complete, all of it as
 * one, on a stream of its own behind the steps, and what comes back are the
 * sums; at the end all leave together, and nothing was aborted. */
static void
test_buckets (void)
{
  Case cases[] = {
    { 1, { 1, 2, 3, 4, 5 } },
    { 7 * 4, { 0, 1, 2, 3, 4 } },
    { 12 * 4, { 0, 0, 1, 1, 2 } }, /* 3 + 4 + 2, 9 + 1 */
    { 0, { 0, 0, 0, 0, 1 } },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_unlink (g_getenv ("FAKE_NCCL_LOG"));
    hub_run (2, play_buckets, &cases[i]);
    g_assert_cmpint (hub_sums (), ==, 0); /* none of the host's */
    for (int rank = 0; rank < 2; rank++) {
      g_autofree char *text = calls (rank);

      g_assert_true (
          g_str_has_prefix (text, rank ? "init 2\nsum 1 " : "id\ninit 2\n"));
      g_assert_true (g_str_has_suffix (text, "finalize\ndestroy\n"));
      g_assert_null (strstr (text, "abort"));
    }
  }
}

static void
play_traffic (DefcnRanks *ranks, gpointer data)
{
  g_autofree char *about = NULL;
  DefcnCollective *collective;
  Bed bed;

  bed_init (&bed, NULL);
  g_assert_true (defcn_collective_open (&collective, &about, ranks, bed.be,
      DEFCN_REDUCE_NCCL, NULL));
  DefcnBuckets *buckets = defcn_buckets_new (ranks, collective, bed.be, 0);
  g_assert_true (defcn_ranks_barrier (ranks, NULL));
  const int fetched = emulated_counted (EMULATED_FETCHED);
  const int sent = emulated_counted (EMULATED_SENT);
  for (int round = 0; round < 3; round++) {
    for (int i = 0; i < N_PARAMS; i++)
      defcn_buckets_tell (&bed.params[i], buckets);
    g_assert_true (defcn_buckets_finish (buckets, NULL));
  }
  g_assert_cmpint (emulated_counted (EMULATED_FETCHED), ==, fetched);
  g_assert_cmpint (emulated_counted (EMULATED_SENT), ==, sent);
  defcn_collective_free (collective, TRUE);
  defcn_ranks_free (ranks, TRUE);
  defcn_buckets_free (buckets);
  bed_clear (&bed);
}

/* No gradient leaves the device. */
static void
test_traffic (void)
{
  hub_run (2, play_traffic, NULL);
}

typedef struct
{
  const char *device; /* of both; NULL: each its own */
  const char *version;
  DefcnReduce how[2];
  gboolean good;
  const char *words; /* a pattern: what is said, or why not */
} Choice;

static void
play_choice (DefcnRanks *ranks, gpointer data)
{
  const Choice *c = data;
  g_autoptr (GError) error = NULL;
  g_autofree char *about = NULL;
  DefcnCollective *collective;
  Bed bed;

  bed_init (&bed, c->device);
  const gboolean good = defcn_collective_open (&collective, &about, ranks,
      bed.be, c->how[hub_rank ()], &error);
  if (c->good)
    g_assert_no_error (error);
  g_assert_cmpint (good, ==, c->good);
  g_assert_null (collective);
  const char *said = good ? about : error->message;
  if (!g_pattern_match_simple (c->words, said ? said : ""))
    g_error ("\"%s\" is not like \"%s\"", said, c->words);
  defcn_ranks_free (ranks, TRUE);
  bed_clear (&bed);
}

/* Where NCCL cannot be, MPI sums, and a line says why; where it has to be, that
 * is an error.  Ranks of one GPU, of a CPU, of an NCCL that is too old or too
 * new, and ranks that do not want the same. */
static void
test_choices (void)
{
  const DefcnReduce automatic = DEFCN_REDUCE_AUTO, mpi = DEFCN_REDUCE_MPI,
                    nccl = DEFCN_REDUCE_NCCL;
  Choice cases[] = {
    { NULL, "2804", { automatic, automatic }, TRUE,
        "gradients are summed by MPI, *: rank 0 (*) has no NCCL: "
        "*/libnccl.so.2 is of NCCL 2.8.4, wanted 2.14 *" },
    { NULL, "30100", { nccl, nccl }, FALSE,
        "--reduce=nccl: rank 0 (*) has no NCCL: * is of NCCL 3.1.0, *" },
    { NULL, "21308", { nccl, nccl }, FALSE, "* is of NCCL 2.13.8, wanted *" },
    { "cuda:1", NULL, { automatic, automatic }, TRUE,
        "gradients are summed by MPI, *: rank 0 (*) and rank 1 (*) have one "
        "GPU, 0000:01:00.0, and NCCL wants one for each" },
    { "cuda:0", NULL, { nccl, nccl }, FALSE,
        "--reduce=nccl: rank 0 (*) and rank 1 (*) have one GPU, 0000:00:*" },
    { NULL, NULL, { mpi, mpi }, TRUE,
        "gradients are summed by MPI, through pinned memory of the host" },
    { "reference", NULL, { automatic, automatic }, TRUE, "" },
    { "reference", NULL, { nccl, nccl }, FALSE,
        "--reduce=nccl is for GPUs, this is device \"reference\"" },
    { NULL, NULL, { nccl, mpi }, FALSE,
        "rank 1 (*): has another --reduce than rank 0" },
  };
  DefcnCollective *collective = (DefcnCollective *) cases;
  char *about;

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    if (cases[i].version)
      g_setenv ("FAKE_NCCL_VERSION", cases[i].version, TRUE);
    hub_run (2, play_choice, &cases[i]);
    g_unsetenv ("FAKE_NCCL_VERSION");
  }
  g_assert_true (
      defcn_collective_open (&collective, &about, NULL, NULL, nccl, NULL));
  g_assert_null (collective); /* of a process that is alone */
}

/* The words of --reduce. */
static void
test_words (void)
{
  g_autoptr (GError) error = NULL;
  DefcnReduce how = DEFCN_REDUCE_AUTO;

  g_assert_true (defcn_reduce_parse (&how, "nccl", NULL));
  g_assert_cmpint (how, ==, DEFCN_REDUCE_NCCL);
  g_assert_true (defcn_reduce_parse (&how, "mpi", NULL));
  g_assert_cmpint (how, ==, DEFCN_REDUCE_MPI);
  g_assert_true (defcn_reduce_parse (&how, "auto", NULL));
  g_assert_cmpint (how, ==, DEFCN_REDUCE_AUTO);
  g_assert_false (defcn_reduce_parse (&how, "gloo", &error));
  g_assert_cmpstr (error->message, ==,
      "\"gloo\" is no way to reduce, wanted auto, mpi or nccl");
}

typedef struct
{
  const char *fail;  /* FAKE_NCCL_FAIL */
  gboolean mute;     /* rank 1 is not heard of any more */
  gboolean waits;    /* nobody but the silence tells */
  gboolean opens[2]; /* the ranks get as far as sums */
  const char *words; /* the sentence of both */
} Failure;

static void
play_failure (DefcnRanks *ranks, gpointer data)
{
  const Failure *f = data;
  g_autoptr (GError) error = NULL;
  g_autofree char *about = NULL;
  DefcnCollective *collective;
  Bed bed;

  bed_init (&bed, NULL);
  gboolean good = defcn_collective_open (&collective, &about, ranks, bed.be,
      DEFCN_REDUCE_AUTO, &error);
  g_assert_cmpint (good, ==, f->opens[hub_rank ()]);
  DefcnBuckets *buckets = defcn_buckets_new (ranks, collective, bed.be, 1);
  for (int round = 0; round < 2 && good; round++) {
    fill (&bed, hub_rank (), round);
    if (f->mute && round == 1 && hub_rank () == 1)
      hub_mute (1);
    for (int i = 0; i < N_PARAMS; i++)
      defcn_buckets_tell (&bed.params[i], buckets);
    good = defcn_buckets_finish (buckets, &error);
  }
  const gboolean is_summed = good;
  if (good)
    good = defcn_ranks_barrier (ranks, &error);
  g_assert_false (good);
  if (!g_pattern_match_simple (f->words, error->message))
    g_error ("\"%s\" is not like \"%s\"", error->message, f->words);
  if (collective) {
    /* nothing hangs in the device's queue: there is a state to save */
    g_autoptr (GError) none = NULL;
    g_assert_true (bed.be->sync (bed.be, &none));
    if (!is_summed) { /* before the other failed */
      g_clear_error (&error);
      g_assert_false (defcn_buckets_finish (buckets, &error));
    }
  }
  defcn_ranks_fail (ranks, &error);
  g_assert_true (g_pattern_match_simple (f->words, error->message));
  defcn_collective_free (collective, FALSE);
  defcn_ranks_free (ranks, FALSE);
  defcn_buckets_free (buckets);
  bed_clear (&bed);
}

/* Whatever goes wrong, at the start, at a call or later: all ranks end, with
 * one sentence that names the rank and the reason, and what is under way is
 * aborted.  Who sees no more than that another is gone waits for its word. */
static void
test_failures (void)
{
  DefcnRanksOptions options = defcn_ranks_defaults;
  Failure cases[] = {
    { "id:0", FALSE, FALSE, { FALSE, FALSE },
        "rank 0 (*): NCCL: ncclGetUniqueId: unhandled system error: the fake "
        "one said so" },
    { "init:1", FALSE, FALSE, { FALSE, FALSE },
        "rank 1 (*): NCCL: ncclCommInitRankConfig: unhandled system error: *" },
    { "late-init:0", FALSE, FALSE, { FALSE, FALSE },
        "rank 0 (*): NCCL: internal error: *" },
    { "launch:1:7", FALSE, FALSE, { TRUE, TRUE },
        "rank 1 (*): NCCL: ncclGroupEnd: unhandled cuda error: *" },
    { "async:1:2", FALSE, FALSE, { TRUE, TRUE },
        "rank 1 (*): NCCL: internal error: *" },
    { "async:0:7", FALSE, FALSE, { TRUE, TRUE },
        "rank 0 (*): NCCL: internal error: *" },
    { "cut:1:3", FALSE, TRUE, { TRUE, TRUE },
        "rank 1 (*): NCCL: remote process exited or *" },
    { "stuck:0:8", TRUE, TRUE, { TRUE, TRUE },
        "rank * does not answer any more, *" },
  };

  options.grace = 60;
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_unlink (g_getenv ("FAKE_NCCL_LOG"));
    g_setenv ("FAKE_NCCL_FAIL", cases[i].fail, TRUE);
    options.silence = cases[i].waits ? HUB_SILENCE : 3;
    for (int rank = 0; rank < 2; rank++)
      hub_set_options (rank, &options);
    hub_run (2, play_failure, &cases[i]);
    g_unsetenv ("FAKE_NCCL_FAIL");
    for (int rank = 0; rank < 2; rank++)
      if (cases[i].opens[rank]) {
        g_assert_cmpint (count (rank, "abort"), ==, 1);
        g_assert_cmpint (count (rank, "destroy"), ==, 0);
      }
    g_assert_cmpint (hub_left (TRUE), ==, 0);
  }
}

int
main (int argc, char **argv)
{
  g_autofree char *folder = folder_new ();
  g_autofree char *log = g_build_filename (folder, "log", NULL);

  g_setenv ("TMPDIR", folder, TRUE);
  g_setenv ("FAKE_NCCL_LOG", log, TRUE);
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/reduce/words", test_words);
  /* before others: a library that was good is asked no more */
  g_test_add_func ("/reduce/choices", test_choices);
  g_test_add_func ("/reduce/buckets", test_buckets);
  g_test_add_func ("/reduce/traffic", test_traffic);
  g_test_add_func ("/reduce/failures", test_failures);
  const int status = g_test_run ();
  folder_remove_all (folder);
  return status;
}
