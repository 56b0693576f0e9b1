/* What the emulated driver takes for a CUcontext and a CUstream. */
#pragma once

/* That of the backend; every other pointer is another context. */
#define EMULATED_CONTEXT ((void *) 1)

/* A stream of others: its work is done when an event of it is waited for. */
typedef struct
{
  void (*work) (void *data); /* NULL: none is left */
  void *data;
} EmulatedStream;
