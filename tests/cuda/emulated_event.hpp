/* What the emulation's events are, those of the runtime and of the driver. */
#pragma once

#include <map>
#include <vector>

#include "emulated_stream.h"

struct CUevent_st
{
  EmulatedStream
      *stream; /* of the driver's: its work is done when waited for */
  float ms;    /* when it was recorded */
  /* Recorded while a stream was captured, what comes before it in the graph. */
  const void *capture;
  std::vector<int> items;
  /* For emulated_order.cc: how much of each stream is behind it. */
  std::map<cudaStream_t, long> seen;
  cudaStream_t recorded;
  long n_later;
};
