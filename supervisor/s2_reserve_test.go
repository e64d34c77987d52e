package supervisor

import (
	"testing"
	"testing/synctest"
	"time"
)

// Small ones that come all the time would keep a large one out for ever if its room were not kept for a while.
func TestS2_RoomIsKeptForOneThatNeedsMuch(t *testing.T) {
	t.Parallel()
	bubble(t, budgetConfig(), func(b *bench) {
		b.driver.fallback = sized(10*mib, 1)
		b.driver.set("held", sized(60*mib, 1))
		b.driver.set("large", sized(60*mib, 1))
		held := b.get("held")
		pass(2 * time.Second)
		large := b.ask("large", Wish{})
		synctest.Wait()
		small := b.ask("small", Wish{}) // there would be room for it
		pass(time.Second)
		b.wantState("small", StateCold)
		held.Release()
		for _, asked := range []<-chan outcome{large, small} {
			o := <-asked
			if o.err != nil || o.after < time.Second || o.after > b.pool.cfg.Patience {
				t.Errorf("%s: %v after %v, want it served when the room was given back", o.name, o.err, o.after)
				continue
			}
			o.lease.Release()
		}
	})
}
