package process

// routerRole makes the test binary a router for a test that kills one.
const routerRole = "PROCESS_TEST_ROUTER"

func fakeRouter() int { return 1 }
