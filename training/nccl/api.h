/* What is taken of NCCL, whose header and library are in no Debian: its
 * functions by name, out of the library as it is found.
 *
 * Thread rule: read-only once loaded.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* As nccl.h has them since 2.14, the first that need not wait. */
typedef struct ncclComm *NcclComm;

typedef struct
{
  guint8 internal[128];
} NcclUniqueId;

typedef struct
{
  gsize size; /* of this, which later ones know by it */
  unsigned magic;
  unsigned version; /* of the header that has it so */
  int blocking;
} NcclConfig;

#define NCCL_CONFIG_MAGIC 0xcafebeefu
#define NCCL_OLDEST 21400

typedef enum
{
  NCCL_SUCCESS,
  NCCL_UNHANDLED_CUDA_ERROR,
  NCCL_SYSTEM_ERROR,
  NCCL_INTERNAL_ERROR,
  NCCL_INVALID_ARGUMENT,
  NCCL_INVALID_USAGE,
  NCCL_REMOTE_ERROR,
  NCCL_IN_PROGRESS,
} NcclResult;

#define NCCL_FLOAT32 7
#define NCCL_SUM 0

typedef struct
{
  NcclResult (*get_version) (int *version);
  NcclResult (*get_unique_id) (NcclUniqueId *id);
  NcclResult (*comm_init_rank_config) (NcclComm *comm, int n_ranks,
      NcclUniqueId id, int rank, NcclConfig *config);
  NcclResult (*comm_get_async_error) (NcclComm comm, NcclResult *error);
  NcclResult (*comm_finalize) (NcclComm comm);
  NcclResult (*comm_destroy) (NcclComm comm);
  NcclResult (*comm_abort) (NcclComm comm);
  NcclResult (*all_reduce) (const void *send, void *receive, gsize count,
      int type, int op, NcclComm comm, gpointer stream);
  NcclResult (*group_start) (void);
  NcclResult (*group_end) (void);
  const char *(*get_error_string) (NcclResult result);
  const char *(*get_last_error) (NcclComm comm);
  int version; /* 22809 is 2.28.9 */
} NcclApi;

/* libnccl.so.2 as the system's loader finds it, for as long as the process
 * lives.  NULL with @error that names the file, the function that it lacks, or
 * its version. */
const NcclApi *nccl_api_load (GError **error);

G_END_DECLS
