/* A model that elements share. */
#include "shared.h"
#include "bundled.h"
#include "pass.h"

static GMutex registry; /* guards what follows */
static GCond registry_changed;
static GHashTable *models;  /* id -> GstDefcnShared, borrowed */
static GHashTable *opening; /* ids of those that are being opened */
static GQueue declared;     /* Declaration, in order */

typedef struct
{
  gpointer owner;
  char *id;
  GstDefcnModelSetup setup;
} Declaration;

/* The threads. */

typedef struct
{
  GstDefcnShared *shared;
  guint at;
} Post;

/* With the lock held: waits for a batch; FALSE at the end. */
static gboolean
wait_for_batch (GstDefcnShared *s)
{
  while (!s->quit) {
    const gint64 timeout = (gint64) s->setup.batch_timeout * 1000;
    const guint n = gst_defcn_lanes_waiting (&s->lanes, s->most);

    if (n == 0) {
      g_cond_wait (&s->work, &s->lock);
      continue;
    }
    if (n == s->most || timeout == 0 || !gst_defcn_lanes_expect (&s->lanes))
      return TRUE;
    if (!g_cond_wait_until (&s->work, &s->lock,
            gst_defcn_lanes_since (&s->lanes) + timeout))
      gst_defcn_lanes_give_up (&s->lanes);
  }
  return FALSE;
}

static gpointer
work (gpointer data)
{
  g_autofree Post *post = data;
  GstDefcnShared *s = post->shared;
  GstDefcnPass *pass = gst_defcn_pass_new ();
  GstDefcnBatch *batch = gst_defcn_pass_batch (pass);

  g_mutex_lock (&s->lock);
  while (wait_for_batch (s)) {
    gst_defcn_lanes_take (&s->lanes, batch, s->most);
    s->at_work++;
    s->passes++;
    s->regions += batch->units->len;
    g_mutex_unlock (&s->lock);
    gst_defcn_pass_run (pass, post->at);
    g_mutex_lock (&s->lock);
    s->at_work--;
    gst_defcn_lanes_give_back (&s->lanes, batch);
    g_cond_broadcast (&s->work); /* for regions that are left */
  }
  g_mutex_unlock (&s->lock);
  gst_defcn_pass_free (pass);
  return NULL;
}

static gboolean
start_threads (GstDefcnShared *s, GError **error)
{
  for (guint i = 0; i < s->engine->detectors->len; i++) {
    Post *post = g_new (Post, 1);
    GThread *thread;

    *post = (Post){ s, i };
    thread = g_thread_try_new ("defcn", work, post, error);
    if (!thread) {
      g_free (post);
      return FALSE;
    }
    g_ptr_array_add (s->threads, thread);
  }
  return TRUE;
}

/* With nothing of it held: waits for what runs.  The memory of the model goes
 * too, though somebody may still be at the next one. */
static void
stop (GstDefcnShared *s)
{
  GstDefcnEngine *engine;

  g_mutex_lock (&s->lock);
  s->quit = TRUE;
  g_cond_broadcast (&s->work);
  g_mutex_unlock (&s->lock);
  for (guint i = 0; i < s->threads->len; i++)
    g_thread_join (s->threads->pdata[i]);
  g_ptr_array_set_size (s->threads, 0);
  g_mutex_lock (&s->lock);
  engine = g_steal_pointer (&s->engine);
  g_mutex_unlock (&s->lock);
  gst_defcn_engine_unref (engine);
}

GstDefcnShared *
gst_defcn_shared_ref (GstDefcnShared *shared)
{
  g_atomic_ref_count_inc (&shared->refs);
  return shared;
}

void
gst_defcn_shared_unref (GstDefcnShared *s)
{
  if (!g_atomic_ref_count_dec (&s->refs))
    return;
  g_ptr_array_unref (s->threads);
  gst_defcn_lanes_clear (&s->lanes);
  gst_defcn_model_setup_clear (&s->setup);
  gst_defcn_model_setup_clear (&s->wanted);
  g_clear_object (&s->asker);
  g_mutex_clear (&s->lock);
  g_cond_clear (&s->work);
  g_free (s->id);
  g_free (s);
}

typedef struct
{
  const GstDefcnModelSetup *setup;
  GstDefcnEngine *engine;
  GError *error;
} Opening;

static gpointer
open_engine (gpointer data)
{
  Opening *o = data;

  o->engine = gst_defcn_engine_new (o->setup, &o->error);
  return NULL;
}

/* Opened in a thread that ends: OpenMP keeps a team of threads for every thread
 * that calls it. */
static GstDefcnShared *
shared_new (const char *id, const GstDefcnModelSetup *setup, GError **error)
{
  Opening opened = { setup, NULL, NULL };
  GThread *thread =
      g_thread_try_new ("defcn-open", open_engine, &opened, error);
  GstDefcnShared *s;

  if (!thread)
    return NULL;
  g_thread_join (thread);
  if (!opened.engine) {
    g_propagate_error (error, opened.error);
    return NULL;
  }
  s = g_new0 (GstDefcnShared, 1);
  g_atomic_ref_count_init (&s->refs);
  g_mutex_init (&s->lock);
  g_cond_init (&s->work);
  gst_defcn_lanes_init (&s->lanes);
  s->id = g_strdup (id);
  s->most = MAX (setup->batch_size, 1);
  s->threads = g_ptr_array_new ();
  s->setup = gst_defcn_model_setup_copy (setup);
  s->engine = opened.engine;
  if (start_threads (s, error))
    return s;
  stop (s);
  gst_defcn_shared_unref (s);
  return NULL;
}

/* The registry. */

static void
declaration_free (Declaration *d)
{
  g_free (d->id);
  gst_defcn_model_setup_clear (&d->setup);
  g_free (d);
}

void
gst_defcn_shared_declare (gpointer owner, const char *id,
    const GstDefcnModelSetup *setup)
{
  Declaration *d = NULL;

  g_mutex_lock (&registry);
  for (GList *l = declared.head; l && !d; l = l->next)
    if (((Declaration *) l->data)->owner == owner)
      d = l->data;
  if (d && id && setup->path) { /* keeps its place */
    g_free (d->id);
    gst_defcn_model_setup_clear (&d->setup);
  } else if (d) {
    g_queue_remove (&declared, d);
    declaration_free (d);
  } else if (id && setup->path) {
    d = g_new0 (Declaration, 1);
    d->owner = owner;
    g_queue_push_tail (&declared, d);
  }
  if (id && setup->path) {
    d->id = g_strdup (id);
    d->setup = gst_defcn_model_setup_copy (setup);
  }
  g_mutex_unlock (&registry);
}

/* With the registry's lock held: what to open for @id, to be cleared. */
static GstDefcnModelSetup
find_setup (const char *id, const GstDefcnModelSetup *setup)
{
  GstDefcnModelSetup found;

  for (GList *l = declared.head; l && id && !setup->path; l = l->next) {
    const Declaration *d = l->data;

    if (g_str_equal (d->id, id))
      return gst_defcn_model_setup_copy (&d->setup);
  }
  found = gst_defcn_model_setup_copy (setup);
  if (!found.path)
    found.path = gst_defcn_bundled_model ();
  return found;
}

static void
add_lane (GstDefcnShared *s, GstDefcnLane *lane)
{
  g_mutex_lock (&s->lock);
  gst_defcn_lanes_add (&s->lanes, lane);
  g_mutex_unlock (&s->lock);
}

static gboolean
is_same_file (const char *a, const char *b)
{
  g_autofree char *one = g_canonicalize_filename (a, NULL);
  g_autofree char *other = g_canonicalize_filename (b, NULL);

  return g_str_equal (one, other);
}

/* With the registry's lock held. */
static gboolean
may_join (GstDefcnShared *s, const GstDefcnModelSetup *setup, GError **error)
{
  gboolean same;

  g_mutex_lock (&s->lock);
  same = !setup->path || is_same_file (setup->path, s->setup.path);
  if (!same)
    g_set_error (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS,
        "model-instance-id=%s runs the model \"%s\", this element wants "
        "\"%s\".",
        s->id, s->setup.path, setup->path);
  g_mutex_unlock (&s->lock);
  return same;
}

/* With the registry's lock held, which is let go meanwhile. */
static GstDefcnShared *
open_for (const char *id, const GstDefcnModelSetup *setup, GError **error)
{
  GstDefcnModelSetup found = find_setup (id, setup);
  GstDefcnShared *s;

  g_hash_table_add (opening, g_strdup (id));
  g_mutex_unlock (&registry);
  s = shared_new (id, &found, error);
  g_mutex_lock (&registry);
  g_hash_table_remove (opening, id);
  if (s)
    g_hash_table_insert (models, s->id, s);
  g_cond_broadcast (&registry_changed);
  gst_defcn_model_setup_clear (&found);
  return s;
}

/* With the registry's lock held, which is let go while a model is opened. */
static GstDefcnShared *
join_named (const char *id, const GstDefcnModelSetup *setup, GstDefcnLane *lane,
    GError **error)
{
  GstDefcnShared *s;

  if (!models) {
    models = g_hash_table_new (g_str_hash, g_str_equal);
    opening = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  }
  while (g_hash_table_contains (opening, id))
    g_cond_wait (&registry_changed, &registry);
  s = g_hash_table_lookup (models, id);
  if (!s) {
    s = open_for (id, setup, error);
    if (!s)
      return NULL;
  } else {
    if (!may_join (s, setup, error))
      return NULL;
    gst_defcn_shared_ref (s);
  }
  add_lane (s, lane);
  return s;
}

GstDefcnShared *
gst_defcn_shared_join (const char *id, const GstDefcnModelSetup *setup,
    GstDefcnLane *lane, GError **error)
{
  GstDefcnModelSetup found;
  GstDefcnShared *s;

  if (id && *id) {
    g_mutex_lock (&registry);
    s = join_named (id, setup, lane, error);
    g_mutex_unlock (&registry);
    return s;
  }
  found = find_setup (NULL, setup);
  s = shared_new (NULL, &found, error);
  gst_defcn_model_setup_clear (&found);
  if (s)
    add_lane (s, lane);
  return s;
}

void
gst_defcn_shared_leave (GstDefcnShared *s, GstDefcnLane *lane)
{
  gboolean last;

  g_mutex_lock (&registry);
  g_mutex_lock (&s->lock);
  gst_defcn_lanes_remove (&s->lanes, lane);
  last = s->lanes.all->len == 0;
  g_cond_broadcast (&s->work); /* nobody has to wait for it */
  g_mutex_unlock (&s->lock);
  if (last && s->id)
    g_hash_table_remove (models, s->id);
  g_mutex_unlock (&registry);
  if (last)
    stop (s);
  gst_defcn_shared_unref (s);
}
