/* A block of backend memory that several nets of the same layout may have, of
 * which one runs at a time.
 *
 * Thread rule: references are counted atomically; bytes as their nets.
 */
#pragma once

#include "backend.h"

G_BEGIN_DECLS

typedef struct
{
  DefcnBackend *be;
  char *memory;
  gsize bytes;
  gconstpointer owner; /* whose bytes they are; NULL: whoever is left */
} DefcnBlock;

/* Zeroed memory of @be, or of its parent, which outlives it, for @owner.  NULL
 * where there is none. */
DefcnBlock *defcn_block_new (DefcnBackend *be, gsize bytes,
    gconstpointer owner);
DefcnBlock *defcn_block_ref (DefcnBlock *block);
/* Whoever has it no longer; @block may be NULL. */
void defcn_block_unref (DefcnBlock *block, gconstpointer user);
/* What of it counts as @user's. */
gsize defcn_block_bytes (const DefcnBlock *block, gconstpointer user);

G_END_DECLS
