/* What makes one run of several processes. */
#include "joint.h"

#include "error.h"

#include <math.h>
#include <string.h>

gboolean
defcn_joint_divide (DefcnRecipe *recipe, int *micro, const DefcnRanks *ranks,
    GError **error)
{
  const int size = defcn_ranks_size (ranks), batch = recipe->loader.batch;
  const int share = batch / size;

  *micro = MIN (recipe->micro_batch, MAX (share, 1));
  if (batch % size != 0) {
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
        "recipe: batch=%d has no equal parts for %d ranks", batch, size);
    return FALSE;
  }
  if (share % *micro != 0) {
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
        "recipe: micro_batch=%d does not divide the %d images that each of %d "
        "ranks has of batch=%d",
        *micro, share, size, batch);
    return FALSE;
  }
  recipe->loader.part = defcn_ranks_rank (ranks);
  recipe->loader.parts = size;
  recipe->loader.sharers = defcn_ranks_local_size (ranks);
  return TRUE;
}

DefcnRecipe *
defcn_joint_recipe (DefcnRanks *ranks, DefcnRecipe *own, GError **error)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  int micro;

  if (!ranks)
    return own;
  if (own && !defcn_joint_divide (own, &micro, ranks, error)) {
    defcn_recipe_free (own);
    return NULL;
  }
  if (own) {
    g_autofree char *text = defcn_recipe_to_file (own);

    g_byte_array_append (bytes, (const guint8 *) text, strlen (text) + 1);
  }
  if (!defcn_ranks_share (ranks, 0, bytes, error)) {
    g_clear_pointer (&own, defcn_recipe_free);
    return NULL;
  }
  if (own)
    return own;

  g_autoptr (DefcnRecipe) recipe = defcn_recipe_new (NULL, error);
  return recipe
          && defcn_recipe_parse (recipe, (const char *) bytes->data,
              "the recipe of rank 0", error)
          && defcn_recipe_finish (recipe, error)
      ? g_steal_pointer (&recipe)
      : NULL;
}

gboolean
defcn_joint_check_data (DefcnRanks *ranks, const DefcnDataset *training,
    const DefcnDataset *validation, GError **error)
{
  if (!ranks)
    return TRUE;

  g_autofree char *own = defcn_dataset_checksum (training);
  g_autofree char *other =
      validation ? defcn_dataset_checksum (validation) : g_strdup ("");
  g_autofree char *both = g_strconcat (own, " ", other, NULL);
  g_autofree char *digest =
      g_compute_checksum_for_string (G_CHECKSUM_SHA256, both, -1);
  return defcn_ranks_agree (ranks, digest, strlen (digest),
      "the annotations have other images or objects there than on rank 0",
      error);
}

gboolean
defcn_joint_check_device (DefcnRanks *ranks, const DefcnBackend *be,
    GError **error)
{
  char device[64] = "";

  if (!ranks)
    return TRUE;
  g_snprintf (device, sizeof device, "%s %s", be->name, be->precision);

  g_autofree char *what =
      g_strdup_printf ("computes with another device or precision than %s "
                       "(here: %s)",
          defcn_ranks_name (ranks, 0), device);
  return defcn_ranks_agree (ranks, device, sizeof device, what, error);
}

gboolean
defcn_joint_share_model (DefcnRanks *ranks, DefcnModel *model, GError **error)
{
  DefcnParams *params = defcn_model_params (model);

  if (!ranks)
    return TRUE;
  defcn_params_download (params);
  for (guint i = 0; i < defcn_params_count (params); i++) {
    const DefcnParam *p = defcn_params_get (params, i);

    if (!defcn_ranks_broadcast (ranks, 0, p->value,
            defcn_param_len (p) * sizeof (float), error))
      return FALSE;
  }
  defcn_params_upload (params);
  return TRUE;
}

typedef struct
{
  DefcnRanks *ranks;
  GError **error;
} Share;

static gboolean
share_array (float *state, gsize n, gpointer data)
{
  const Share *share = data;

  return defcn_ranks_broadcast (share->ranks, 0, state, n * sizeof *state,
      share->error);
}

gboolean
defcn_joint_share_state (DefcnRanks *ranks, DefcnCheckpoint *state,
    GError **error)
{
  Share share = { ranks, error };
  double numbers[] = { state->iteration, state->best_ap, state->unevaluated,
    state->step ? defcn_step_normalizer (state->step) : 0 };

  if (!ranks)
    return TRUE;
  if (!defcn_ranks_broadcast (ranks, 0, numbers, sizeof numbers, error))
    return FALSE;
  state->iteration = numbers[0];
  state->best_ap = numbers[1];
  state->unevaluated = numbers[2] != 0;
  if (state->step)
    defcn_step_set_normalizer (state->step, numbers[3]);
  return defcn_joint_share_model (ranks, state->model, error)
      && defcn_optimizer_visit (state->optimizer, share_array, &share);
}

gboolean
defcn_joint_update (DefcnRanks *ranks, DefcnJointUpdate *update,
    gint64 iteration, GError **error)
{
  if (!ranks)
    return TRUE;

  const int n = defcn_ranks_size (ranks);
  g_autofree DefcnJointUpdate *all = g_new (DefcnJointUpdate, n);
  if (!defcn_ranks_gather (ranks, all, update, sizeof *update, error))
    return FALSE;
  for (int i = 1; i < n; i++)
    update->parted = update->parted
        || memcmp (&all[i].norm, &all[0].norm, sizeof all[0].norm) != 0;
  if (update->parted) {
    g_autofree char *what =
        g_strdup_printf ("has another gradient than rank 0 at iteration "
                         "%" G_GINT64_FORMAT ": the models have parted",
            iteration);

    return defcn_ranks_agree (ranks, &update->norm, sizeof update->norm, what,
        error);
  }
  *update = all[0];
  for (int i = 1; i < n; i++) {
    defcn_step_add_losses (&update->losses, &all[i].losses);
    update->stop = MAX (update->stop, all[i].stop);
  }
  return TRUE;
}
