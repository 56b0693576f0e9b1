/* Ranks: numbers of all, signs of life, one failure that ends everybody. */
#include "ranks/ranks.h"
#include "hub.h"

#include <signal.h>
#include <string.h>

#define N 3

static volatile int stops[N];
static char *sentences[N];

/* Options of all ranks, whose stops are those above. */
static void
set_options (double silence, double grace)
{
  for (int i = 0; i < N; i++) {
    DefcnRanksOptions o = defcn_ranks_defaults;

    o.silence = silence;
    o.grace = grace;
    o.stop = &stops[i];
    stops[i] = 0;
    g_clear_pointer (&sentences[i], g_free);
    hub_set_options (i, &o);
  }
}

/* Waits for a failure, whatever the others do. */
static void
wait_for_failure (DefcnRanks *ranks)
{
  g_autoptr (GError) error = NULL;

  while (defcn_ranks_check (ranks, &error))
    g_usleep (5000);
  sentences[hub_rank ()] = g_strdup (error->message);
}

static void
assert_sentences (const char *pattern)
{
  for (int i = 0; i < N; i++)
    if (!sentences[i] || !g_pattern_match_simple (pattern, sentences[i]))
      g_error ("rank %d: \"%s\", wanted \"%s\"", i, sentences[i], pattern);
}

/* A process that is alone is rank 0 of 1, and waits for nobody. */
static void
test_alone (void)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  g_autoptr (GError) error = NULL;
  float values[] = { 1, 2 };
  int mine = 5, all = 0;

  g_assert_cmpint (defcn_ranks_rank (NULL), ==, 0);
  g_assert_cmpint (defcn_ranks_size (NULL), ==, 1);
  g_assert_cmpint (defcn_ranks_local_size (NULL), ==, 1);
  g_assert_true (defcn_ranks_gather (NULL, &all, &mine, sizeof mine, &error));
  g_assert_cmpint (all, ==, 5);
  g_assert_true (defcn_ranks_broadcast (NULL, 0, &mine, sizeof mine, &error));
  g_assert_true (defcn_ranks_share (NULL, 0, bytes, &error));
  defcn_ranks_sum_begin (NULL, values, 2);
  g_assert_true (defcn_ranks_sum_wait (NULL, &error));
  g_assert_cmpfloat (values[1], ==, 2);
  g_assert_true (defcn_ranks_agree (NULL, &mine, sizeof mine, "", &error));
  g_assert_true (defcn_ranks_barrier (NULL, &error));
  g_assert_true (defcn_ranks_check (NULL, &error));
  g_assert_true (defcn_ranks_speaks (NULL));
  g_assert_cmpfloat (defcn_ranks_waited (NULL), ==, 0);
  g_assert_cmpuint (defcn_ranks_summed (NULL), ==, 0);
  defcn_ranks_free (NULL, TRUE);
}

static void
play_numbers (DefcnRanks *ranks, gpointer data)
{
  const int rank = defcn_ranks_rank (ranks);
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  g_autofree char *name =
      g_strdup_printf ("rank %d (%s)", rank, g_get_host_name ());
  int all[N] = { 0 }, mine = 10 + rank, told = rank == 1 ? 77 : 0;
  float sums[4][5];

  g_assert_cmpint (rank, ==, hub_rank ());
  g_assert_cmpint (defcn_ranks_size (ranks), ==, N);
  g_assert_cmpint (defcn_ranks_local_size (ranks), ==, N);
  g_assert_cmpstr (defcn_ranks_name (ranks, rank), ==, name);
  g_assert_true (defcn_ranks_gather (ranks, all, &mine, sizeof mine, NULL));
  for (int i = 0; i < N; i++)
    g_assert_cmpint (all[i], ==, 10 + i);
  g_assert_true (defcn_ranks_broadcast (ranks, 1, &told, sizeof told, NULL));
  g_assert_cmpint (told, ==, 77);
  if (rank == 2)
    g_byte_array_append (bytes, (const guint8 *) "many", 5);
  g_assert_true (defcn_ranks_share (ranks, 2, bytes, NULL));
  g_assert_cmpmem (bytes->data, bytes->len, "many", 5);
  g_byte_array_set_size (bytes, rank); /* nothing, of rank 0 */
  g_assert_true (defcn_ranks_share (ranks, 0, bytes, NULL));
  g_assert_cmpuint (bytes->len, ==, 0);

  for (int i = 0; i < 4; i++) {
    for (int k = 0; k < 5; k++)
      sums[i][k] = 100 * rank + 10 * i + k;
    defcn_ranks_sum_begin (ranks, sums[i], 5 - i);
  }
  g_assert_true (defcn_ranks_sum_wait (ranks, NULL));
  for (int i = 0; i < 4; i++)
    for (int k = 0; k < 5; k++)
      g_assert_cmpfloat (sums[i][k], ==,
          k < 5 - i ? 300 + 3 * (10 * i + k) : 100 * rank + 10 * i + k);
  g_assert_cmpuint (defcn_ranks_summed (ranks), ==, (5 + 4 + 3 + 2) * 4);
  g_assert_true (defcn_ranks_agree (ranks, "same", 4, "is another", NULL));
  defcn_ranks_free (ranks, TRUE);
}

/* All get the numbers of all, in the order in which they were asked for. */
static void
test_numbers (void)
{
  hub_run (N, play_numbers, NULL);
  g_assert_cmpint (hub_left (TRUE), ==, N);
}

static void
play_behind (DefcnRanks *ranks, gpointer data)
{
  float values[] = { 1, 2, 3 };

  g_assert_true (defcn_ranks_barrier (ranks, NULL));
  const int before = hub_done ();
  defcn_ranks_sum_begin (ranks, values, 3);
  while (hub_done () == before)
    g_usleep (1000);
  g_assert_true (defcn_ranks_sum_wait (ranks, NULL));
  g_assert_cmpfloat (values[2], ==, 9);
  g_assert_true (defcn_ranks_barrier (ranks, NULL));
  defcn_ranks_free (ranks, TRUE);
}

/* Sums are made while nobody waits for them. */
static void
test_behind (void)
{
  hub_run (N, play_behind, NULL);
}

static void
play_wait (DefcnRanks *ranks, gpointer data)
{
  int all[N], rank = defcn_ranks_rank (ranks);

  if (rank == 1)
    g_usleep (300000);
  g_assert_true (defcn_ranks_gather (ranks, all, &rank, sizeof rank, NULL));
  if (rank == 1)
    g_assert_cmpfloat (defcn_ranks_waited (ranks), <, 0.25);
  else
    g_assert_cmpfloat (defcn_ranks_waited (ranks), >, 0.25);
  defcn_ranks_free (ranks, TRUE);
}

/* Whoever waits for others counts the seconds. */
static void
test_waited (void)
{
  hub_run (N, play_wait, NULL);
}

static void
play_agree (DefcnRanks *ranks, gpointer data)
{
  const char *mine = defcn_ranks_rank (ranks) == 2 ? "1234" : "1235";
  g_autoptr (GError) error = NULL;

  g_assert_false (defcn_ranks_agree (ranks, mine, 4, "is another", &error));
  sentences[hub_rank ()] = g_strdup (error->message);
  g_assert_cmpint (defcn_ranks_speaks (ranks), ==, hub_rank () == 0);
  defcn_ranks_free (ranks, FALSE);
}

/* Who has other bytes is named on all ranks. */
static void
test_agree (void)
{
  set_options (HUB_SILENCE, 8);
  hub_run (N, play_agree, NULL);
  assert_sentences ("rank 2 (*): is another");
  g_assert_cmpint (hub_left (FALSE), ==, N);
}

static void
play_version (DefcnRanks *ranks, gpointer data)
{
  wait_for_failure (ranks);
  g_assert_cmpint (defcn_ranks_speaks (ranks), ==, hub_rank () == 0);
  defcn_ranks_free (ranks, FALSE);
}

/* Another version is told before anything else, with both. */
static void
test_version (void)
{
  set_options (HUB_SILENCE, 8);
  hub_set_version (1, "9.9.9");
  hub_run (N, play_version, NULL);
  assert_sentences ("rank 1 (*) is defcn 9.9.9, rank 0 (*) is " DEFCN_VERSION);
}

static void
play_failure (DefcnRanks *ranks, gpointer data)
{
  const int failing = GPOINTER_TO_INT (data), rank = hub_rank ();
  g_autoptr (GError) error = NULL;
  float values[] = { 1 };

  if (rank == failing) {
    g_set_error (&error, G_FILE_ERROR, 0, "disk full \xff");
    defcn_ranks_fail (ranks, &error);
  } else {
    defcn_ranks_sum_begin (ranks, values, 1); /* lent still when it ends */
    if (rank == 2)
      g_assert_false (defcn_ranks_sum_wait (ranks, &error));
    else
      g_assert_false (defcn_ranks_barrier (ranks, &error));
  }
  sentences[rank] = g_strdup (error->message);
  g_clear_error (&error);
  g_assert_false (defcn_ranks_barrier (ranks, &error));
  g_assert_cmpstr (error->message, ==, sentences[rank]);
  defcn_ranks_fail (ranks, &error); /* the first is the one */
  g_assert_cmpstr (error->message, ==, sentences[rank]);
  g_assert_cmpint (stops[rank], ==, SIGTERM);
  g_assert_cmpint (defcn_ranks_speaks (ranks), ==, rank == 0);
  defcn_ranks_free (ranks, FALSE);
}

/* What one fails of is the sentence of all, in the middle of whatever they
 * wait for, as valid UTF-8. */
static void
test_failure (void)
{
  for (int failing = 0; failing < N; failing++) {
    g_autofree char *pattern = g_strdup_printf ("rank %d (*): disk full "
                                                "\xef\xbf\xbd",
        failing);

    set_options (HUB_SILENCE, 8);
    hub_run (N, play_failure, GINT_TO_POINTER (failing));
    assert_sentences (pattern);
    g_assert_cmpint (hub_left (FALSE), ==, N);
    g_assert_cmpint (hub_left (TRUE), ==, 0);
  }
}

static void
play_lost (DefcnRanks *ranks, gpointer data)
{
  const int lost = GPOINTER_TO_INT (data), rank = hub_rank ();
  g_autoptr (GError) error = NULL;

  g_assert_true (defcn_ranks_barrier (ranks, NULL));
  if (rank == lost) {
    hub_mute (rank); /* though it goes on */
    wait_for_failure (ranks);
  } else {
    g_assert_false (defcn_ranks_barrier (ranks, &error));
    sentences[rank] = g_strdup (error->message);
  }
  g_assert_cmpint (defcn_ranks_speaks (ranks), ==, rank == (lost == 0 ? 1 : 0));
  defcn_ranks_free (ranks, FALSE);
}

/* Who says nothing any more is found, rank 0 too, and all know it in time. */
static void
test_lost (void)
{
  for (int lost = 0; lost < N; lost++) {
    g_autofree char *pattern = g_strdup_printf ("rank %d (*) does not answer "
                                                "any more, for 1.5 s: *",
        lost);
    const gint64 begun = g_get_monotonic_time ();

    set_options (HUB_SILENCE, 8);
    hub_run (N, play_lost, GINT_TO_POINTER (lost));
    assert_sentences (pattern);
    /* who does not speak waits no more than 5 s for the one who does; 30 s are
     * promised */
    g_assert_cmpint (g_get_monotonic_time () - begun, <, 25 * G_USEC_PER_SEC);
  }
}

static void
play_slow (DefcnRanks *ranks, gpointer data)
{
  if (hub_rank () == 1)
    g_usleep (2 * HUB_SILENCE * G_USEC_PER_SEC);
  g_assert_true (defcn_ranks_barrier (ranks, NULL));
  defcn_ranks_free (ranks, TRUE);
}

/* Who computes for long is not lost. */
static void
test_slow (void)
{
  hub_run (N, play_slow, NULL);
  g_assert_cmpint (hub_left (TRUE), ==, N);
}

static void
play_stop (DefcnRanks *ranks, gpointer data)
{
  const int rank = hub_rank ();

  if (rank == 2)
    stops[rank] = SIGINT;
  while (stops[rank] == 0)
    g_usleep (5000);
  g_assert_cmpint (stops[rank], ==, SIGINT);
  g_assert_true (defcn_ranks_barrier (ranks, NULL));
  defcn_ranks_free (ranks, TRUE);
}

/* A wish to stop is everybody's, and no failure. */
static void
test_stop (void)
{
  set_options (HUB_SILENCE, 8);
  hub_run (N, play_stop, NULL);
}

static int n_said, n_ended;
static char *said;

static void
say (const char *sentence)
{
  g_atomic_int_inc (&n_said);
  said = g_strdup (sentence);
}

static void
end (void)
{
  g_atomic_int_inc (&n_ended);
}

static void
play_elsewhere (DefcnRanks *ranks, gpointer data)
{
  g_autoptr (GError) error = NULL;

  if (hub_rank () == 1) {
    g_set_error (&error, G_FILE_ERROR, 0, "no more");
    defcn_ranks_fail (ranks, &error);
    defcn_ranks_free (ranks, FALSE);
    return;
  }
  while (g_atomic_int_get (&n_ended) < 2)
    g_usleep (5000);
  defcn_ranks_free (ranks, FALSE);
}

/* Who does not come for the failure is ended, and rank 0 says why, once. */
static void
test_elsewhere (void)
{
  for (int i = 0; i < N; i++) {
    DefcnRanksOptions o = defcn_ranks_defaults;

    o.silence = HUB_SILENCE;
    o.grace = 0.3;
    o.say = say;
    o.end = end;
    hub_set_options (i, &o);
  }
  n_said = n_ended = 0;
  hub_run (N, play_elsewhere, NULL);
  g_assert_cmpint (n_said, ==, 1);
  g_assert_true (g_pattern_match_simple ("rank 1 (*): no more", said));
  g_clear_pointer (&said, g_free);
}

static gint at_end;

static void
play_end (DefcnRanks *ranks, gpointer data)
{
  if (hub_rank () == 0) {
    g_usleep (200000);
    g_assert_cmpint (hub_left (TRUE), ==, 0);
  }
  defcn_ranks_free (ranks, TRUE);
  g_atomic_int_inc (&at_end);
}

/* Nobody leaves a good run before all do. */
static void
test_end (void)
{
  at_end = 0;
  hub_run (N, play_end, NULL);
  g_assert_cmpint (at_end, ==, N);
  g_assert_cmpint (hub_left (TRUE), ==, N);
}

static gpointer
refuse (DefcnStanding *place, GError **error)
{
  g_set_error (error, G_FILE_ERROR, 0, "nobody there");
  return NULL;
}

/* Whoever cannot join says why. */
static void
test_refused (void)
{
  const DefcnTransport transport = { .join = refuse };
  g_autoptr (GError) error = NULL;

  g_assert_null (defcn_ranks_new (&transport, NULL, &error));
  g_assert_cmpstr (error->message, ==, "nobody there");
}

static GMutex never;

static gpointer
hang (DefcnStanding *place, GError **error)
{
  g_mutex_lock (&never);
  g_mutex_unlock (&never);
  return refuse (place, error);
}

/* So does one whose others do not start. */
static void
test_late (void)
{
  static const DefcnTransport transport = { .join = hang };
  const DefcnRanksOptions options = { .silence = 0.05 };
  g_autoptr (GError) error = NULL;

  g_mutex_lock (&never);
  g_assert_null (defcn_ranks_new (&transport, &options, &error));
  g_assert_nonnull (strstr (error->message, "have not come within 0.2 s"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/ranks/alone", test_alone);
  g_test_add_func ("/ranks/numbers", test_numbers);
  g_test_add_func ("/ranks/behind", test_behind);
  g_test_add_func ("/ranks/waited", test_waited);
  g_test_add_func ("/ranks/agree", test_agree);
  g_test_add_func ("/ranks/version", test_version);
  g_test_add_func ("/ranks/failure", test_failure);
  g_test_add_func ("/ranks/lost", test_lost);
  g_test_add_func ("/ranks/slow", test_slow);
  g_test_add_func ("/ranks/stop", test_stop);
  g_test_add_func ("/ranks/elsewhere", test_elsewhere);
  g_test_add_func ("/ranks/end", test_end);
  g_test_add_func ("/ranks/refused", test_refused);
  g_test_add_func ("/ranks/late", test_late); /* the last: a thread stays */
  return g_test_run ();
}
