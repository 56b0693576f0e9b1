/* What goes wrong on the emulated device. */
#include "emulate.hpp"

#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string>

/* The text that is counted for, and how often its event has come. */
static std::mutex lock;
static std::string counted;
static long count;

/* Whether @event has come as often as the environment says, this time
 * included; a new text begins to count anew. */
static bool
has_come (const char *event, bool is_now)
{
  const std::lock_guard<std::mutex> guard (lock);
  const char *text = std::getenv ("DEFCN_EMULATE_FAIL");
  const size_t len = std::strlen (event);

  if (counted != (text ? text : "")) {
    counted = text ? text : "";
    count = 0;
  }
  if (!text || std::strncmp (text, event, len) != 0 || text[len] != ':')
    return false;
  count += is_now;
  return count >= std::atol (text + len + 1);
}

bool
emulate_fails (const char *what)
{
  const char *text = std::getenv ("DEFCN_EMULATE_FAIL");

  return text && std::strcmp (text, what) == 0;
}

cudaError_t
emulate_lost ()
{
  return has_come ("lost", false) ? cudaErrorLaunchFailure : cudaSuccess;
}

cudaError_t
emulate_wait ()
{
  if (has_come ("sync", true))
    return cudaErrorLaunchTimeout;
  return has_come ("lost", true) ? cudaErrorLaunchFailure : cudaSuccess;
}

bool
emulate_out_of_memory ()
{
  return has_come ("alloc", true);
}

static thread_local cudaError_t launch_error = cudaSuccess;

void
emulate_fail_launch ()
{
  launch_error = cudaErrorInvalidResourceHandle;
}

extern "C" {

cudaError_t
cudaGetDeviceCount (int *n)
{
  *n = 2;
  if (emulate_fails ("driver") || emulate_fails ("old-driver"))
    return cudaErrorInsufficientDriver;
  return emulate_fails ("device") ? cudaErrorNoDevice : emulate_lost ();
}

cudaError_t
cudaDriverGetVersion (int *version)
{
  *version = emulate_fails ("driver") ? 0
      : emulate_fails ("old-driver")  ? 11040
                                      : 13000;
  return cudaSuccess;
}

cudaError_t
cudaDeviceGetAttribute (int *value, enum cudaDeviceAttr attribute, int)
{
  const bool is_old = emulate_fails ("old-device");

  *value = attribute == cudaDevAttrComputeCapabilityMajor ? (is_old ? 7 : 9)
      : attribute == cudaDevAttrComputeCapabilityMinor    ? (is_old ? 5 : 0)
                                                          : 0;
  return emulate_lost ();
}

cudaError_t
cudaRuntimeGetVersion (int *version)
{
  *version = 13000;
  return cudaSuccess;
}

cudaError_t
cudaGetLastError (void)
{
  const cudaError_t error = launch_error;

  launch_error = cudaSuccess;
  return error != cudaSuccess ? error : emulate_lost ();
}

const char *
cudaGetErrorString (cudaError_t error)
{
  switch (error) {
    case cudaErrorMemoryAllocation:
      return "out of memory";
    case cudaErrorNoDevice:
      return "no CUDA-capable device is detected";
    case cudaErrorLaunchFailure:
      return "unspecified launch failure";
    case cudaErrorInvalidResourceHandle:
      return "invalid resource handle";
    case cudaErrorLaunchTimeout:
      return "the launch timed out and was terminated";
    default:
      return "an error";
  }
}
}
