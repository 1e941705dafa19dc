"""The screen of chat models: what there is and fits, getting one, removing one, chatting with one."""
