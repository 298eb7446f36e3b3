"""Run against a real server: RMR1_JUDGE_URL names one whose judge prefers the longer answer."""

import json
import os
import threading
import unittest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import rmr1_reward
from rmr1_reward import JudgeClient, JudgeError, trl_reward

URL = os.environ.get("RMR1_JUDGE_URL", "")


@unittest.skipUnless(URL, "RMR1_JUDGE_URL is not set: start `rmr1 serve --judge length`")
class AgainstTheServer(unittest.TestCase):
    def test_rewards_of_trl_follow_the_judge_group_by_group(self):
        reward = trl_reward(JudgeClient(URL))
        prompts = ["p", "p", "p", "q", "q", "q"]
        completions = ["aaa", "a", "aa", "b", "bbbb", "bb"]
        self.assertEqual(reward(prompts=prompts, completions=completions), [1.0, 0.0, 0.5, 0.0, 1.0, 0.5])
        self.assertEqual(reward.__name__, "rmr1_judge")

    def test_conversational_data_and_further_columns(self):
        reward = trl_reward(JudgeClient(URL, orders="one"))
        prompt = [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}]
        completions = [[{"role": "assistant", "content": text}] for text in ("long answer", "short")]
        given = reward(prompts=[prompt, prompt], completions=completions, completion_ids=[[1], [2]], solution=["x", "y"])
        self.assertEqual(given, [1.0, 0.0])

    def test_equal_completions_get_equal_rewards(self):
        self.assertEqual(JudgeClient(URL).score_group("p", ["aa", "aa", "a"]), [1.0, 1.0, 0.0])
        self.assertEqual(JudgeClient(URL).score_group("p", ["same", "same"]), [0.5, 0.5])

    def test_verl_batched_and_single(self):
        infos = [{"question": "p"}] * 2
        self.assertEqual(rmr1_reward.compute_score_batched(["d"] * 2, ["aaa", "a"], [None] * 2, infos), [1.0, 0.0])
        self.assertEqual(rmr1_reward.compute_score("d", "x" * 80, None, {"prompt": "p"}), 1.0)
        with self.assertRaisesRegex(JudgeError, "question"):
            rmr1_reward.compute_score("d", "x", None, {})

    def test_many_groups_at_once(self):
        prompts = [f"prompt {i // 4}" for i in range(80)]
        answers = ["x" * (1 + i % 4) for i in range(80)]
        scores = JudgeClient(URL, concurrency=16).score_all(prompts, answers)
        self.assertEqual(scores[:4], [0.0, 1 / 3, 2 / 3, 1.0])
        self.assertEqual(scores, scores[:4] * 20)

    def test_a_request_that_cannot_work_is_not_repeated(self):
        with self.assertRaisesRegex(JudgeError, "400"):
            JudgeClient(URL).judge({"prompt": "p", "answers": ["only one"]})


class Repetition(unittest.TestCase):
    """A server that is full at first."""

    def serve(self, statuses):
        left = list(statuses)

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                self.rfile.read(int(self.headers["content-length"]))
                status = left.pop(0) if left else 200
                body = json.dumps({"score": 1}).encode()
                self.send_response(status)
                if status == 429:
                    self.send_header("retry-after", "0")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        return f"http://127.0.0.1:{server.server_address[1]}", left

    def test_waits_where_the_server_is_full(self):
        url, left = self.serve([429, 429, 429])
        self.assertEqual(JudgeClient(url).score("p", "a"), 1.0)
        self.assertEqual(left, [])

    def test_gives_up_in_time(self):
        url, _ = self.serve([503] * 100)
        with self.assertRaisesRegex(JudgeError, "not available"):
            JudgeClient(url, timeout=0.3).score("p", "a")

    def test_an_address_that_nobody_serves(self):
        with self.assertRaisesRegex(JudgeError, "not available"):
            JudgeClient("http://127.0.0.1:9", timeout=0.3).score("p", "a")


if __name__ == "__main__":
    unittest.main()
