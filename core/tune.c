/* Measured choices, and the file that they are kept in. */
#include "tune.h"

#include <cjson/cJSON.h>
#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

#define MARK "defcn.tune"
#define VERSION 1
#define ROUNDS 5
#define MARGIN 0.98
#define MAX_FILE ((gsize) 16 << 20)
#define MAX_NAME 1024

typedef struct
{
  char *name;
  double us; /* 0: the only one there was */
} Choice;

struct _DefcnTune
{
  char *beside, *cache; /* paths: of the model's folder, of the user's cache */
  GHashTable *devices;  /* device -> (step -> Choice) */
  gboolean changed;
  char *problem;
};

static void
choice_free (gpointer data)
{
  Choice *choice = data;

  g_free (choice->name);
  g_free (choice);
}

static GHashTable *
devices_new (void)
{
  return g_hash_table_new_full (g_str_hash, g_str_equal, g_free,
      (GDestroyNotify) g_hash_table_unref);
}

static void
put (GHashTable *devices, const char *device, const char *step,
    const char *name, double us)
{
  GHashTable *steps = g_hash_table_lookup (devices, device);
  Choice *choice = g_new (Choice, 1);

  if (!steps) {
    steps =
        g_hash_table_new_full (g_str_hash, g_str_equal, g_free, choice_free);
    g_hash_table_insert (devices, g_strdup (device), steps);
  }
  *choice = (Choice){ g_strdup (name), us };
  g_hash_table_insert (steps, g_strdup (step), choice);
}

static const Choice *
get (GHashTable *devices, const char *device, const char *step)
{
  GHashTable *steps = g_hash_table_lookup (devices, device);

  return steps ? g_hash_table_lookup (steps, step) : NULL;
}

/* FALSE if @json is not what a tuning file holds. */
static gboolean
parse (GHashTable *devices, const cJSON *json)
{
  const cJSON *mark = cJSON_GetObjectItemCaseSensitive (json, MARK);
  const cJSON *device, *step;

  if (!cJSON_IsNumber (mark) || mark->valuedouble != VERSION)
    return FALSE;
  cJSON_ArrayForEach (device, json)
  {
    if (device == mark)
      continue;
    if (!cJSON_IsObject (device))
      return FALSE;
    cJSON_ArrayForEach (step, device)
    {
      const char *name = cJSON_GetStringValue (
          cJSON_GetObjectItemCaseSensitive (step, "choice"));
      const cJSON *us = cJSON_GetObjectItemCaseSensitive (step, "us");

      if (!name || !*name || strlen (name) > MAX_NAME || !cJSON_IsNumber (us)
          || !(us->valuedouble >= 0))
        return FALSE;
      put (devices, device->string, step->string, name, us->valuedouble);
    }
  }
  return TRUE;
}

/* What @path holds, empty if there is no such file; NULL and *@problem if it is
 * none of ours. */
static GHashTable *
read_file (const char *path, char **problem)
{
  g_autoptr (GHashTable) devices = devices_new ();
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL;
  GStatBuf status;
  gsize len;

  if (g_stat (path, &status) != 0)
    return g_steal_pointer (&devices);
  if (!S_ISREG (status.st_mode) || (guint64) status.st_size > MAX_FILE) {
    *problem = g_strdup_printf ("%s: not a tuning file", path);
    return NULL;
  }
  if (!g_file_get_contents (path, &text, &len, &error)) {
    *problem = g_strdup (error->message);
    return NULL;
  }

  cJSON *json = cJSON_ParseWithLength (text, len);
  const gboolean good = cJSON_IsObject (json) && parse (devices, json);
  cJSON_Delete (json);
  if (good)
    return g_steal_pointer (&devices);
  *problem = g_strdup_printf ("%s: not a tuning file of this version", path);
  return NULL;
}

/* Adds what @path has and @devices have not. */
static void
merge_file (GHashTable *devices, const char *path, char **problem)
{
  g_autofree char *ignored = NULL;
  g_autoptr (GHashTable) others = read_file (path, &ignored);
  GHashTableIter i, k;
  gpointer device, steps, step, choice;

  if (ignored && problem && !*problem)
    *problem = g_steal_pointer (&ignored);
  if (!others)
    return;
  g_hash_table_iter_init (&i, others);
  while (g_hash_table_iter_next (&i, &device, &steps)) {
    g_hash_table_iter_init (&k, steps);
    while (g_hash_table_iter_next (&k, &step, &choice)) {
      const Choice *c = choice;

      if (!get (devices, device, step))
        put (devices, device, step, c->name, c->us);
    }
  }
}

DefcnTune *
defcn_tune_open (const char *path)
{
  DefcnTune *tune = g_new0 (DefcnTune, 1);
  g_autofree char *absolute = g_canonicalize_filename (path, NULL);
  g_autofree char *hash =
      g_compute_checksum_for_string (G_CHECKSUM_SHA256, absolute, -1);
  g_autofree char *name = g_strdup_printf ("%.16s.tune.json", hash);

  tune->beside = g_strconcat (path, ".tune.json", NULL);
  tune->cache = g_build_filename (g_get_user_cache_dir (), "defcn", name, NULL);
  tune->devices = devices_new ();
  merge_file (tune->devices, tune->beside, &tune->problem);
  merge_file (tune->devices, tune->cache, &tune->problem);
  return tune;
}

void
defcn_tune_free (DefcnTune *tune)
{
  if (!tune)
    return;
  g_hash_table_unref (tune->devices);
  g_free (tune->beside);
  g_free (tune->cache);
  g_free (tune->problem);
  g_free (tune);
}

const char *
defcn_tune_problem (const DefcnTune *tune)
{
  return tune->problem;
}

const char *
defcn_tune_lookup (const DefcnTune *tune, const char *device, const char *step)
{
  const Choice *choice = get (tune->devices, device, step);

  return choice ? choice->name : NULL;
}

/* The least time of every candidate, infinite where it does not run. */
static void
time_all (double *least, guint n, DefcnTuneTime time, gpointer data)
{
  for (guint i = 0; i < n; i++)
    least[i] = G_MAXDOUBLE;
  for (int round = 0; round < ROUNDS; round++) {
    for (guint i = 0; i < n; i++) {
      const double us = least[i] < 0 ? -1 : time (data, i);

      least[i] = us >= 0 ? MIN (least[i], us) : -1;
    }
  }
  for (guint i = 0; i < n; i++)
    if (least[i] < 0)
      least[i] = INFINITY;
}

int
defcn_tune_measure (DefcnTune *tune, const char *device, const char *step,
    const char *const *names, guint n, DefcnTuneTime time, gpointer data)
{
  g_autofree double *least = g_new0 (double, MAX (n, 1));
  int best = 0;

  if (n > 1)
    time_all (least, n, time, data);
  for (guint i = 1; i < n; i++)
    if (least[i] < MARGIN * least[best])
      best = i;
  if (n == 0 || isinf (least[best]))
    return -1;
  put (tune->devices, device, step, names[best], least[best]);
  tune->changed = TRUE;
  return best;
}

static int
by_name (gconstpointer a, gconstpointer b)
{
  return strcmp (a, b);
}

/* Sorted by name, so that the same choices give the same bytes. */
static char *
to_text (GHashTable *devices)
{
  cJSON *json = cJSON_CreateObject ();
  GList *names = g_list_sort (g_hash_table_get_keys (devices), by_name);

  cJSON_AddNumberToObject (json, MARK, VERSION);
  for (const GList *d = names; d; d = d->next) {
    GHashTable *steps = g_hash_table_lookup (devices, d->data);
    GList *keys = g_list_sort (g_hash_table_get_keys (steps), by_name);
    cJSON *object = cJSON_AddObjectToObject (json, d->data);

    for (const GList *k = keys; k; k = k->next) {
      const Choice *choice = g_hash_table_lookup (steps, k->data);
      cJSON *item = cJSON_AddObjectToObject (object, k->data);

      cJSON_AddStringToObject (item, "choice", choice->name);
      cJSON_AddNumberToObject (item, "us", choice->us);
    }
    g_list_free (keys);
  }
  g_list_free (names);

  char *text = cJSON_Print (json);
  char *copy = g_strconcat (text, "\n", NULL);
  cJSON_free (text);
  cJSON_Delete (json);
  return copy;
}

/* What others have written since is kept. */
static gboolean
write_file (DefcnTune *tune, const char *path)
{
  merge_file (tune->devices, path, NULL);

  g_autofree char *text = to_text (tune->devices);
  return g_file_set_contents (path, text, -1, NULL);
}

gboolean
defcn_tune_save (DefcnTune *tune)
{
  g_autofree char *folder = g_path_get_dirname (tune->cache);

  if (!tune->changed)
    return TRUE;
  tune->changed = FALSE; /* once, whatever comes of it */
  if (write_file (tune, tune->beside))
    return TRUE;
  if (g_mkdir_with_parents (folder, 0700) == 0
      && write_file (tune, tune->cache))
    return TRUE;
  if (!tune->problem)
    tune->problem = g_strdup_printf ("%s, %s: neither can be written",
        tune->beside, tune->cache);
  return FALSE;
}
