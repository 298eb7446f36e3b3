/** What tokenizers and templates are compared on. */
export const TEXTS = [
  'The capital of France is Paris, and the capital of Italy is Rome.',
  'def add(a, b):\n    return a + b  # 12345 + 678\n',
  'Zürich, 東京 🎉 naïve café\t\ttabs   spaces\n\n\nnew lines',
  "It's we're they'll I'd don't WON'T",
  '',
  ' x',
  '<|im_start|>user\nHi<|im_end|>\n',
  '1,234,567.89 €  — “quotes” … ½ ² ﬁ',
  'a'.repeat(200),
];
export const CONVERSATIONS = [
  [{ role: 'user' as const, content: 'Hi there' }],
  [
    { role: 'system' as const, content: 'Be brief.' },
    { role: 'user' as const, content: 'What is 2 + 2?' },
    { role: 'assistant' as const, content: '4' },
    { role: 'user' as const, content: 'And 3 + 3?' },
  ],
];
