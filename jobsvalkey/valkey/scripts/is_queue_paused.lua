-- Whether the queue is paused.
-- uses: layout
-- result: `1` or `0`.
-- cost: O(1).
return refused(redis.call('GET', LAYOUT)) or (is_queue_paused() and '1' or '0')
