/* An H100 as cuDNN asks for it, which plans as an H200 does: they differ in
 * memory. */
#pragma once

static const char device_json[] =
    "{\"cudaDeviceId\":0,\"deviceVer\":900,\"driverVer\":13000,"
    "\"isTccDriver\":0,\"l2CacheSize\":52428800,\"maxCtasPerSM\":32,"
    "\"maxRegistersPerSM\":65536,\"maxSharedMemoryPerBlock\":49152,"
    "\"maxSharedMemoryPerBlockOptin\":232448,\"maxThreadsPerBlock\":1024,"
    "\"maxThreadsPerSM\":2048,\"memClockRateKHz\":2619000,"
    "\"smClockRateKHz\":1980000,\"multiProcessorCount\":132,\"pciDeviceId\":0,"
    "\"regsPerBlock\":65536,\"reservedSharedMemoryPerBlock\":1024,"
    "\"totalGlobalMem\":85031714816,\"warpSize\":32,\"supportCoopLaunch\":1,"
    "\"maxGridSize\":[2147483647,65535,65535],\"maxBlockSize\":[1024,1024,64],"
    "\"deviceName\":\"NVIDIA H100 80GB HBM3\"}";
