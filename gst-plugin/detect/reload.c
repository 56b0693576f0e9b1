/* Another model in the place of one that runs. */
#include "reload.h"

typedef struct
{
  GstDefcnShared *shared;
  GstDefcnUpdated updated;
} Reload;

/* The engine of @setup, which works; NULL with @error. */
static GstDefcnEngine *
open_and_try (const GstDefcnModelSetup *setup, int width, int height,
    GError **error)
{
  g_autoptr (GstDefcnEngine) engine = gst_defcn_engine_new (setup, error);

  if (!engine
      || (width > 0 && !gst_defcn_engine_try (engine, width, height, error)))
    return NULL;
  return g_steal_pointer (&engine);
}

/* With the lock held: (transfer full) those who are to be told. */
static GPtrArray *
listeners (GstDefcnShared *s, gboolean all)
{
  GPtrArray *owners = g_ptr_array_new_with_free_func (g_object_unref);

  if (!all && s->asker)
    g_ptr_array_add (owners, g_object_ref (s->asker));
  for (guint i = 0; i < s->lanes.all->len && all; i++) {
    const GstDefcnLane *lane = s->lanes.all->pdata[i];

    if (lane->owner)
      g_ptr_array_add (owners, g_object_ref (lane->owner));
  }
  return owners;
}

/* With the lock held, which is let go meanwhile.  *@asker: who had asked, when
 * there is nothing more to load. */
static void
load_wish (GstDefcnShared *s, GstDefcnUpdated updated, GObject **asker)
{
  const guint wish = s->wish;
  const int width = s->width, height = s->height;
  GstDefcnModelSetup setup = gst_defcn_model_setup_copy (&s->wanted);
  g_autoptr (GPtrArray) owners = NULL;
  g_autoptr (GError) error = NULL;
  GstDefcnEngine *engine;

  g_mutex_unlock (&s->lock);
  engine = open_and_try (&setup, width, height, &error);
  g_mutex_lock (&s->lock);
  if (wish == s->wish && !s->quit) {
    owners = listeners (s, engine != NULL);
    if (engine) {
      GstDefcnEngine *old = s->engine;
      GstDefcnModelSetup before = s->setup;

      s->engine = engine;
      s->setup = gst_defcn_model_setup_copy (&setup);
      s->setup.batch_timeout = before.batch_timeout;
      engine = old; /* to be let go */
      gst_defcn_model_setup_clear (&before);
    }
  }
  g_mutex_unlock (&s->lock);
  gst_defcn_engine_unref (engine);
  for (guint i = 0; owners && i < owners->len; i++)
    updated (owners->pdata[i], &setup, error);
  gst_defcn_model_setup_clear (&setup);
  g_clear_pointer (&owners, g_ptr_array_unref); /* which may be the last */
  g_mutex_lock (&s->lock);
  if (wish == s->wish) {
    s->loading = FALSE;
    *asker = g_steal_pointer (&s->asker);
  }
}

static gpointer
load (gpointer data)
{
  g_autofree Reload *reload = data;
  GstDefcnShared *s = reload->shared;
  g_autoptr (GObject) asker = NULL; /* let go without the lock */

  g_mutex_lock (&s->lock);
  while (s->loading && !s->quit)
    load_wish (s, reload->updated, &asker);
  s->loading = FALSE;
  g_mutex_unlock (&s->lock);
  gst_defcn_shared_unref (s);
  return NULL;
}

gboolean
gst_defcn_reload (GstDefcnShared *s, const GstDefcnModelSetup *setup,
    GObject *asker, GstDefcnUpdated updated, GError **error)
{
  GObject *before;
  gboolean begins;
  Reload *reload;
  GThread *thread;

  g_mutex_lock (&s->lock);
  gst_defcn_model_setup_clear (&s->wanted);
  s->wanted = gst_defcn_model_setup_copy (setup);
  s->wanted.workers = s->setup.workers;
  s->wanted.batch_size = s->setup.batch_size;
  before = s->asker;
  s->asker = asker ? g_object_ref (asker) : NULL;
  s->wish++;
  begins = !s->loading;
  s->loading = TRUE;
  g_mutex_unlock (&s->lock);
  g_clear_object (&before);
  if (!begins)
    return TRUE;
  reload = g_new (Reload, 1);
  *reload = (Reload){ gst_defcn_shared_ref (s), updated };
  thread = g_thread_try_new ("defcn-reload", load, reload, error);
  if (thread) {
    g_thread_unref (thread);
    return TRUE;
  }
  g_free (reload);
  g_mutex_lock (&s->lock);
  s->loading = FALSE;
  before = g_steal_pointer (&s->asker);
  g_mutex_unlock (&s->lock);
  g_clear_object (&before);
  gst_defcn_shared_unref (s);
  return FALSE;
}
