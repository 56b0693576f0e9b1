/* The transport of MPI, a module that the tool opens when mpirun or srun has
 * started it. */
#include "ranks/transport.h"

#include "error.h"

#include <limits.h>
#include <gmodule.h>
#include <mpi.h>
#include <stdlib.h>
#include <string.h>

#define TAG_NOTE 1

/* A note on its way to another rank. */
typedef struct
{
  DefcnNote note;
  MPI_Request request; /* MPI_REQUEST_NULL: none is */
} Letter;

typedef struct
{
  MPI_Comm numbers; /* what all do in the same order */
  MPI_Comm notes;
  int size;
  Letter (*letters)[2]; /* to each rank: signs of life, a failure */
} Link;

/* Parts of a sum: MPI counts in int. */
typedef struct
{
  MPI_Request *requests;
  int n;
} Request;

/* What @code means. */
static gboolean
is_good (int code, GError **error)
{
  char text[MPI_MAX_ERROR_STRING + 1] = "";
  int len = 0;

  if (code == MPI_SUCCESS)
    return TRUE;
  MPI_Error_string (code, text, &len);
  g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE, "MPI: %s", text);
  return FALSE;
}

/* How many share this machine's memory. */
static gboolean
count_neighbours (DefcnStanding *place, GError **error)
{
  MPI_Comm machine;

  if (!is_good (MPI_Comm_split_type (MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0,
                    MPI_INFO_NULL, &machine),
          error))
    return FALSE;
  MPI_Comm_size (machine, &place->local_size);
  MPI_Comm_free (&machine);
  return TRUE;
}

static gpointer
mpi_join (DefcnStanding *place, GError **error)
{
  int provided;

  /* All calls are this thread's, which is then MPI's main one. */
  if (!is_good (MPI_Init_thread (NULL, NULL, MPI_THREAD_FUNNELED, &provided),
          error))
    return NULL;
  if (provided < MPI_THREAD_FUNNELED) {
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
        "MPI: this one was built without threads");
    return NULL;
  }
  /* Whoever is lost is found by silence, and told of in words. */
  MPI_Comm_set_errhandler (MPI_COMM_WORLD, MPI_ERRORS_RETURN);
  MPI_Comm_rank (MPI_COMM_WORLD, &place->rank);
  MPI_Comm_size (MPI_COMM_WORLD, &place->size);

  Link *link = g_new0 (Link, 1);
  link->size = place->size;
  if (!count_neighbours (place, error)
      || !is_good (MPI_Comm_dup (MPI_COMM_WORLD, &link->numbers), error)
      || !is_good (MPI_Comm_dup (MPI_COMM_WORLD, &link->notes), error)) {
    g_free (link);
    return NULL;
  }
  link->letters = g_malloc0 (place->size * sizeof *link->letters);
  for (int i = 0; i < place->size; i++)
    for (int k = 0; k < 2; k++)
      link->letters[i][k].request = MPI_REQUEST_NULL;
  return link;
}

static Request *
request_new (int n)
{
  Request *request = g_new0 (Request, 1);

  request->n = n;
  request->requests = g_new (MPI_Request, n);
  for (int i = 0; i < n; i++)
    request->requests[i] = MPI_REQUEST_NULL;
  return request;
}

static gpointer
mpi_sum (gpointer data, float *values, gsize n)
{
  Link *link = data;
  const gsize most = 1 << 28;
  Request *request = request_new ((n + most - 1) / most);

  for (int i = 0; i < request->n; i++)
    MPI_Iallreduce (MPI_IN_PLACE, values + i * most, MIN (most, n - i * most),
        MPI_FLOAT, MPI_SUM, link->numbers, &request->requests[i]);
  return request;
}

static gpointer
mpi_gather (gpointer data, void *all, const void *mine, gsize size)
{
  Link *link = data;
  Request *request = request_new (1);

  g_assert (size <= INT_MAX); /* a record */
  MPI_Iallgather (mine, size, MPI_BYTE, all, size, MPI_BYTE, link->numbers,
      &request->requests[0]);
  return request;
}

static gpointer
mpi_broadcast (gpointer data, int root, void *bytes, gsize size)
{
  Link *link = data;
  const gsize most = 1 << 30;
  Request *request = request_new ((size + most - 1) / most);

  for (int i = 0; i < request->n; i++)
    MPI_Ibcast ((char *) bytes + i * most, MIN (most, size - i * most),
        MPI_BYTE, root, link->numbers, &request->requests[i]);
  return request;
}

static gboolean
mpi_test (gpointer data, gpointer what)
{
  Request *request = what;
  int done = 0;

  /* An error is no end: whoever is behind it will be silent. */
  if (MPI_Testall (request->n, request->requests, &done, MPI_STATUSES_IGNORE)
          != MPI_SUCCESS
      || !done)
    return FALSE;
  g_free (request->requests);
  g_free (request);
  return TRUE;
}

static void
mpi_send (gpointer data, int to, const DefcnNote *note)
{
  Link *link = data;
  Letter *letter = &link->letters[to][note->kind == DEFCN_NOTE_FAILED];
  int gone = 1;

  if (letter->request != MPI_REQUEST_NULL)
    MPI_Test (&letter->request, &gone, MPI_STATUS_IGNORE);
  if (!gone)
    return; /* of its kind one is on the way */
  letter->note = *note;
  MPI_Isend (&letter->note, sizeof letter->note, MPI_BYTE, to, TAG_NOTE,
      link->notes, &letter->request);
}

static gboolean
mpi_receive (gpointer data, int *from, DefcnNote *note)
{
  Link *link = data;
  MPI_Status status;
  int there = 0;

  if (MPI_Iprobe (MPI_ANY_SOURCE, TAG_NOTE, link->notes, &there, &status)
          != MPI_SUCCESS
      || !there)
    return FALSE;
  *from = status.MPI_SOURCE;
  return MPI_Recv (note, sizeof *note, MPI_BYTE, *from, TAG_NOTE, link->notes,
             MPI_STATUS_IGNORE)
      == MPI_SUCCESS;
}

static void
mpi_leave (gpointer data, gboolean good)
{
  Link *link = data;

  if (!good)
    MPI_Abort (MPI_COMM_WORLD, EXIT_FAILURE); /* whoever hangs too */
  MPI_Finalize ();
  g_free (link->letters);
  g_free (link);
}

static const DefcnTransport transport = { .name = "MPI",
  .version = DEFCN_VERSION,
  .join = mpi_join,
  .sum = mpi_sum,
  .gather = mpi_gather,
  .broadcast = mpi_broadcast,
  .test = mpi_test,
  .send = mpi_send,
  .receive = mpi_receive,
  .leave = mpi_leave };

/* What the tool looks for. */
G_MODULE_EXPORT const DefcnTransport *defcn_transport (void);

const DefcnTransport *
defcn_transport (void)
{
  return &transport;
}
