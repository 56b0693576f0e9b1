#include "fake_detector.h"
#include "rig.h"
int
main (int argc, char **argv)
{
  fake_detector_init (&argc, &argv);
  return rig_run ();
}
