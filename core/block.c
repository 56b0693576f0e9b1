/* A block of backend memory, counted. */
#include "block.h"

DefcnBlock *
defcn_block_new (DefcnBackend *be, gsize bytes, gconstpointer owner)
{
  DefcnBackend *home = be->parent ? be->parent : be;
  char *memory = home->alloc (home, bytes);
  DefcnBlock *block;

  if (!memory)
    return NULL;
  block = g_atomic_rc_box_new (DefcnBlock);
  *block = (DefcnBlock){ home, memory, bytes, owner };
  return block;
}

DefcnBlock *
defcn_block_ref (DefcnBlock *block)
{
  return g_atomic_rc_box_acquire (block);
}

static void
clear (gpointer data)
{
  DefcnBlock *block = data;

  block->be->free (block->be, block->memory);
}

void
defcn_block_unref (DefcnBlock *block, gconstpointer user)
{
  if (!block)
    return;
  if (block->owner == user)
    block->owner = NULL;
  g_atomic_rc_box_release_full (block, clear);
}

gsize
defcn_block_bytes (const DefcnBlock *block, gconstpointer user)
{
  return !block->owner || block->owner == user ? block->bytes : 0;
}
