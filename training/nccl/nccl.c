/* The reducer of NCCL, a module that the tool opens when several processes
 * train on GPUs. */
#include "ranks/reducer.h"

#include "api.h"
#include "error.h"

#include <gmodule.h>
#include <string.h>

typedef struct
{
  const NcclApi *api;
  NcclComm comm;
} Link;

static gboolean
is_under_way (NcclResult result)
{
  return result == NCCL_SUCCESS || result == NCCL_IN_PROGRESS;
}

/* Whether @result is good, or will be; @name: the call, NULL for an earlier
 * one. */
static gboolean
is_good (const NcclApi *api, NcclComm comm, NcclResult result, const char *name,
    GError **error)
{
  const char *detail;

  if (is_under_way (result))
    return TRUE;
  detail = api->get_last_error (comm);
  g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE, "NCCL: %s%s%s%s%s",
      name ? name : "", name ? ": " : "", api->get_error_string (result),
      detail && *detail ? ": " : "", detail ? detail : "");
  return FALSE;
}

static gboolean
nccl_load (char **about, GError **error)
{
  const NcclApi *api = nccl_api_load (error);

  if (!api)
    return FALSE;
  *about = g_strdup_printf ("NCCL 2.%d.%d", api->version / 100 % 100,
      api->version % 100);
  return TRUE;
}

static gboolean
nccl_make_id (guint8 id[DEFCN_REDUCER_ID], GError **error)
{
  const NcclApi *api = nccl_api_load (error);
  NcclUniqueId made;

  G_STATIC_ASSERT (sizeof made == DEFCN_REDUCER_ID);
  if (!api
      || !is_good (api, NULL, api->get_unique_id (&made), "ncclGetUniqueId",
          error))
    return FALSE;
  memcpy (id, &made, sizeof made);
  return TRUE;
}

static gpointer
nccl_join (const guint8 id[DEFCN_REDUCER_ID], int rank, int size,
    GError **error)
{
  const NcclApi *api = nccl_api_load (error);
  NcclConfig config = { .size = sizeof config,
    .magic = NCCL_CONFIG_MAGIC,
    .version = NCCL_OLDEST,
    .blocking = 0 };
  NcclUniqueId unique;
  NcclComm comm = NULL;

  if (!api)
    return NULL;
  memcpy (&unique, id, sizeof unique);
  if (!is_good (api, NULL,
          api->comm_init_rank_config (&comm, size, unique, rank, &config),
          "ncclCommInitRankConfig", error))
    return NULL;
  Link *link = g_new0 (Link, 1);
  link->api = api;
  link->comm = comm;
  return link;
}

static gboolean
nccl_sum (gpointer data, float *const *arrays, const gsize *lens, guint n,
    gpointer stream, GError **error)
{
  const Link *link = data;
  const NcclApi *api = link->api;
  NcclResult first = api->group_start (), end;

  if (!is_good (api, link->comm, first, "ncclGroupStart", error))
    return FALSE;
  for (guint i = 0; i < n && is_under_way (first); i++)
    first = api->all_reduce (arrays[i], arrays[i], lens[i], NCCL_FLOAT32,
        NCCL_SUM, link->comm, stream);
  end = api->group_end (); /* in any case */
  return is_good (api, link->comm, first, "ncclAllReduce", error)
      && is_good (api, link->comm, end, "ncclGroupEnd", error);
}

static DefcnReducerState
nccl_state (gpointer data, GError **error)
{
  const Link *link = data;
  NcclResult result = NCCL_SUCCESS;
  const NcclResult asked =
      link->api->comm_get_async_error (link->comm, &result);

  if (asked != NCCL_SUCCESS)
    result = asked;
  if (result == NCCL_IN_PROGRESS)
    return DEFCN_REDUCER_BUSY;
  if (is_good (link->api, link->comm, result, NULL, error))
    return DEFCN_REDUCER_READY;
  return result == NCCL_REMOTE_ERROR || result == NCCL_SYSTEM_ERROR
      ? DEFCN_REDUCER_PARTED
      : DEFCN_REDUCER_FAILED;
}

static gboolean
nccl_finish (gpointer data, GError **error)
{
  const Link *link = data;

  return is_good (link->api, link->comm, link->api->comm_finalize (link->comm),
      "ncclCommFinalize", error);
}

static void
nccl_leave (gpointer data, gboolean good)
{
  Link *link = data;

  if (good)
    link->api->comm_destroy (link->comm);
  else
    link->api->comm_abort (link->comm);
  g_free (link);
}

static const DefcnReducer reducer = { .name = "NCCL",
  .version = DEFCN_VERSION,
  .load = nccl_load,
  .make_id = nccl_make_id,
  .join = nccl_join,
  .sum = nccl_sum,
  .state = nccl_state,
  .finish = nccl_finish,
  .leave = nccl_leave };

/* What the tool looks for. */
G_MODULE_EXPORT const DefcnReducer *defcn_reducer (void);

const DefcnReducer *
defcn_reducer (void)
{
  return &reducer;
}
