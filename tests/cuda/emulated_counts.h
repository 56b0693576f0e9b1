/* What the emulated module counts, for tests: its function
 * int emulated_count (int what) tells how often it has happened. */
#pragma once

enum
{
  EMULATED_PLANS,    /* made anew by cuDNN */
  EMULATED_LAUNCHES, /* of recorded graphs */
  EMULATED_COPIES,   /* from memory that is not pinned */
  EMULATED_COUNTS
};
